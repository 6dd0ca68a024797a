# SPDX-License-Identifier: GPL-3.0-or-later
from mantid.api import AlgorithmFactory, PythonAlgorithm

try:
    from mantid_insdl.plugin import algorithms as support
except ModuleNotFoundError:
    raise ImportError(
        "DenoiseINS needs the package mantid_insdl, which Mantid's own Python does not find: "
        "close Mantid and run `insdl install` in a terminal."
    ) from None


class DenoiseINS(PythonAlgorithm):
    """Remove counting noise from constant-energy slices with a neural network and simulations."""

    def name(self):
        return "DenoiseINS"

    def version(self):
        return 1

    def category(self):
        return support.CATEGORY

    def summary(self):
        return "Estimates the magnetic intensity in noisy constant-energy slices of an inelastic neutron scattering map, with error bars."

    def seeAlso(self):
        return ["ClassifyMagneticModel", "FitExchangeCNN", "ComputeGradCAM"]

    def checkGroups(self):
        return False  # a group is one stack of slices

    def PyInit(self):
        support.declare_input(self)
        support.declare_model(self, "denoise the map")
        self.declareProperty(
            "FillGaps",
            False,
            doc="Also say what pixels would show that were not measured, in slices with data, by the rest of the map with larger errors.",
        )
        support.declare_output(self, "OutputWorkspace", "The denoised map, in the form and on the axes of InputWorkspace.")
        support.declare_output(self, "OutputResidual", "InputWorkspace minus OutputWorkspace. What is left should be noise.", optional=True)
        support.declare_output(
            self, "OutputFilledPixels", "One where OutputWorkspace fills a gap, zero where it was measured.", optional=True
        )
        support.declare_ei(self)

    def validateInputs(self):
        problems, _ = support.check_input(self, "denoise")
        if support.wanted(self, "OutputFilledPixels") and not self.getProperty("FillGaps").value:
            problems["OutputFilledPixels"] = "No pixels are filled; set FillGaps, or leave it blank."
        return problems

    def PyExec(self):
        from mantid_insdl.plugin.workspaces import to_workspace

        workspace = self.getProperty("InputWorkspace").value
        measured = support.read_input(self)
        options = {"model": support.model_option(self), "fill_gaps": self.getProperty("FillGaps").value}
        maps, _ = support.run(self, "denoise", {"input": measured}, options)
        denoised = maps["output"]
        self.setProperty("OutputWorkspace", to_workspace(denoised, like=workspace, copy=support.copier(self)))
        if support.wanted(self, "OutputResidual"):
            residual = (measured - denoised).replace(provenance=denoised.provenance, logs=denoised.logs)
            self.setProperty("OutputResidual", to_workspace(residual, like=workspace, copy=support.copier(self)))
        if support.wanted(self, "OutputFilledPixels"):
            filled = denoised.replace(intensity=(measured.mask & ~denoised.mask).astype(float), error=None, mask=denoised.mask)
            self.setProperty("OutputFilledPixels", to_workspace(filled, like=workspace, copy=support.copier(self)))
        support.tell_provenance(self, measured, denoised)


AlgorithmFactory.subscribe(DenoiseINS)
