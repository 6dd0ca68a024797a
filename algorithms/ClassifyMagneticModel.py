# SPDX-License-Identifier: GPL-3.0-or-later
from mantid.api import AlgorithmFactory, PythonAlgorithm
from mantid.kernel import StringListValidator

try:
    from mantid_insdl.plugin import algorithms as support
except ModuleNotFoundError:
    raise ImportError(
        "ClassifyMagneticModel needs the package mantid_insdl, which Mantid's own Python does not find: "
        "close Mantid and run `insdl install` in a terminal."
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
        self.declareProperty(
            "Method",
            "Network",
            StringListValidator(["Network", "Fit", "Both"]),
            "Network: in a second. Fit: the spin waves of each model are fitted to the map, and the fits compared, in minutes. Both.",
        )
        support.declare_table(
            self,
            "OutputTable",
            "One row a magnetic model: Model; of the network Probability and Uncertainty (one standard deviation); of the fit "
            "LogLikelihood, z (standard errors behind the best model, for which it is 0) and FitProbability; CombinedProbability of both.",
        )
        support.declare_output(
            self,
            "OutputWorkspace",
            "A copy of InputWorkspace with the verdict in its sample logs insdl_verdict and insdl_in_range. Of the network also "
            "insdl_strangeness, the share of its own test maps that are less strange; of the fit insdl_unexplained and "
            "insdl_unexplained_limit, what the best fit leaves of the map's structure, and how much it may. With Method Both the verdict "
            "is that of both together, and insdl_verdict_network and insdl_verdict_fit are those of each.",
            optional=True,
        )
        support.declare_ei(self)

    def validateInputs(self):
        problems, _ = support.check_input(self, "classify")
        if self.getProperty("Denoise").value and self.getProperty("Method").value != "Network":
            problems["Denoise"] = "A fit needs the map as measured, with its noise; set Denoise to false, or Method to Network."
        return problems

    def PyExec(self):
        from mantid_insdl.plugin import fits
        from mantid_insdl.plugin.answers import classification_notices
        from mantid_insdl.plugin.tables import to_table
        from mantid_insdl.plugin.workspaces import copy_with_logs

        workspace, method = self.getProperty("InputWorkspace").value, self.getProperty("Method").value
        options = {"model": support.model_option(self), "denoise": self.getProperty("Denoise").value, "method": method.lower()}
        _, answer = support.run(self, "classify", {"input": support.read_input(self)}, options)
        comparison, together = answer.get("comparison"), answer.get("combined")
        notices = classification_notices(answer) if method != "Fit" else []
        warnings = list(answer["warnings"]) if method != "Fit" else []
        if comparison:
            notices += fits.comparison_notices(comparison)
            warnings += comparison["warnings"]
        if together:
            notices += fits.combined_notices(together)
            warnings += together["warnings"]
        self.setProperty("OutputTable", to_table(*fits.model_table(answer), comment=[*notices, *warnings]))
        if support.wanted(self, "OutputWorkspace"):
            logs = (support.classification_logs(answer) if method != "Fit" else {}) | fits.comparison_logs(comparison)
            if together:
                logs["insdl_verdict"], logs["insdl_verdict_network"] = (together["verdict"], ""), (answer["verdict"], "")
                logs["insdl_verdict_fit"] = (comparison["verdict"], "")
                logs["insdl_in_range"] = (together["verdict"] in together["models"], "")
            self.setProperty("OutputWorkspace", copy_with_logs(workspace, logs, support.copier(self)))
        support.tell(self, notices, warnings)


AlgorithmFactory.subscribe(ClassifyMagneticModel)
