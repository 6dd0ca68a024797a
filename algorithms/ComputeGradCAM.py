# SPDX-License-Identifier: GPL-3.0-or-later
from mantid.api import AlgorithmFactory, PythonAlgorithm

try:
    from mantid_insdl.plugin import algorithms as support
except ModuleNotFoundError:
    raise ImportError(
        "ComputeGradCAM needs the package mantid_insdl, which Mantid's own Python does not find: "
        "close Mantid and run `insdl install` in a terminal."
    ) from None


class ComputeGradCAM(PythonAlgorithm):
    """Show which pixels decided a verdict of ClassifyMagneticModel (gradient-weighted class activation map)."""

    def name(self):
        return "ComputeGradCAM"

    def version(self):
        return 1

    def category(self):
        return support.CATEGORY

    def summary(self):
        return "Shows which pixels of a map decided the verdict of ClassifyMagneticModel (Grad-CAM)."

    def seeAlso(self):
        return ["ClassifyMagneticModel"]

    def checkGroups(self):
        return False  # a group is one stack of slices

    def PyInit(self):
        support.declare_input(self)
        support.declare_model(self, "be explained")
        self.declareProperty("Class", "", doc="The magnetic model to explain. Blank explains the most probable one.")
        self.declareProperty("Layer", "", doc="Name of the network's convolution layer to look at. Blank takes the last.")
        support.declare_output(
            self, "OutputWorkspace", "Importance of each pixel from 0 to 1, in the form and on the axes of InputWorkspace."
        )
        support.declare_ei(self)

    def validateInputs(self):
        problems, bundle = support.check_input(self, "classify")
        if bundle is not None:
            choices = {"Class": list(bundle.card.materials), "Layer": support.convolution_layers(bundle)}
            for name, valid in choices.items():
                given = self.getProperty(name).value
                if given and given not in valid:
                    problems[name] = f"Model '{bundle.card.name}' has no '{given}': choose {', '.join(valid)}, or leave it blank."
        return problems

    def PyExec(self):
        from mantid_insdl.plugin.workspaces import to_workspace

        workspace = self.getProperty("InputWorkspace").value
        measured = support.read_input(self)
        options = {"model": support.model_option(self)}
        options |= {"target": self.getProperty("Class").value or None, "layer": self.getProperty("Layer").value or None}
        maps, _ = support.run(self, "grad_cam", {"input": measured}, options)
        importance = maps["output"]
        self.setProperty("OutputWorkspace", to_workspace(importance, like=workspace, copy=support.copier(self)))
        support.tell_provenance(self, measured, importance)


AlgorithmFactory.subscribe(ComputeGradCAM)
