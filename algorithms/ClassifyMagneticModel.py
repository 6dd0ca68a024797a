# SPDX-License-Identifier: GPL-3.0-or-later
from mantid.api import AlgorithmFactory, PythonAlgorithm

try:
    from mantid_insdl.plugin import algorithms as support
except ModuleNotFoundError:
    raise ImportError(
        "ClassifyMagneticModel needs the package mantid_insdl in Mantid's own Python: run "
        "`mantidpython -m pip install --user --no-deps .` in the folder of its sources, and restart Mantid."
    ) from None


class ClassifyMagneticModel(PythonAlgorithm):
    """Say which magnetic model a stack of constant-energy slices shows, with probabilities and their uncertainties."""

    def name(self):
        return "ClassifyMagneticModel"

    def version(self):
        return 1

    def category(self):
        return support.CATEGORY

    def summary(self):
        return "Tells which of several magnetic models constant-energy slices of inelastic neutron scattering show, and how sure that is."

    def seeAlso(self):
        return ["ComputeGradCAM", "FitExchangeCNN", "DenoiseINS"]

    def checkGroups(self):
        return False  # a group is one stack of slices

    def PyInit(self):
        support.declare_input(self)
        support.declare_model(self, "tell the magnetic models apart")
        self.declareProperty("Denoise", False, doc="Denoise the map first, with the default denoiser for its material.")
        support.declare_table(
            self,
            "OutputTable",
            "One row a magnetic model: Model, Probability, Uncertainty (one standard deviation). Its comment says what limits the answer.",
        )
        support.declare_output(
            self,
            "OutputWorkspace",
            "A copy of InputWorkspace with the verdict in its sample logs insdl_verdict and insdl_in_range, and in insdl_unexplained "
            "and insdl_unexplained_limit what the simulation leaves of the map's structure, and how much it may.",
            optional=True,
        )

    def validateInputs(self):
        problems, _ = support.check_input(self, "classify")
        return problems

    def PyExec(self):
        from mantid_insdl.plugin.answers import classification_notices
        from mantid_insdl.plugin.workspaces import copy_with_logs, to_table

        workspace = self.getProperty("InputWorkspace").value
        options = {"model": support.model_option(self), "denoise": self.getProperty("Denoise").value}
        _, answer = support.run(self, "classify", {"input": support.read_input(self)}, options)
        rows = zip(answer["models"], answer["probabilities"], answer["uncertainties"], strict=True)
        columns = (("Model", "str"), ("Probability", "double"), ("Uncertainty", "double"))
        notices = classification_notices(answer)
        self.setProperty("OutputTable", to_table(columns, rows, comment=[*notices, *answer["warnings"]]))
        if support.wanted(self, "OutputWorkspace"):
            logs = {
                "insdl_verdict": (answer["verdict"], ""),
                "insdl_in_range": (answer["in_range"], ""),
                **support.evidence_logs(answer["evidence"]),
                **support.identity_logs(answer["bundle"]),
            }
            self.setProperty("OutputWorkspace", copy_with_logs(workspace, logs, support.copier(self)))
        support.tell(self, notices, answer["warnings"])


AlgorithmFactory.subscribe(ClassifyMagneticModel)
