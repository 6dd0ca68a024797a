# SPDX-License-Identifier: GPL-3.0-or-later
from mantid.api import AlgorithmFactory, PythonAlgorithm
from mantid.kernel import StringListValidator

try:
    from mantid_insdl.plugin import algorithms as support
except ModuleNotFoundError:
    raise ImportError(
        "ComputeGradCAM needs the package mantid_insdl, which Mantid's own Python does not find: "
        "close Mantid and run `insdl install` in a terminal."
    ) from None

WITH_LAYER = ("grad-cam", "grad-cam++", "cam")


class ComputeGradCAM(PythonAlgorithm):
    """Show which pixels decided a verdict of ClassifyMagneticModel, or fixed an exchange constant of FitExchangeCNN."""

    def name(self):
        return "ComputeGradCAM"

    def version(self):
        return 1

    def category(self):
        return support.CATEGORY

    def summary(self):
        return "Shows which pixels of a map decided the verdict of ClassifyMagneticModel (Grad-CAM and other methods)."

    def seeAlso(self):
        return ["ClassifyMagneticModel", "FitExchangeCNN"]

    def checkGroups(self):
        return False  # a group is one stack of slices

    def PyInit(self):
        support.declare_input(self)
        support.declare_model(self, "be explained")
        self.declareProperty("Class", "", doc="As Target, for scripts of version 0.1.")
        self.declareProperty("Layer", "", doc="Name of the network's convolution layer to look at. Blank takes the last.")
        support.declare_output(
            self, "OutputWorkspace", "Importance of each pixel from 0 to 1, in the form and on the axes of InputWorkspace."
        )
        support.declare_ei(self)
        # After the older properties, for positional arguments follow the order.
        methods = StringListValidator(list(support.METHODS))
        self.declareProperty("Method", "GradCAM", methods, doc="How the network is asked. All but CAM and the occlusions follow gradients.")
        self.declareProperty(
            "Target",
            "",
            doc="The magnetic model to explain; blank explains the most probable one. Where Model gives exchange constants, one of these.",
        )

    def validateInputs(self):
        problems, bundle = support.check_input(self, support.task_of_model(self, "classify", "exchange"))
        if bundle is not None:
            outputs = [output.name for output in bundle.card.outputs]
            choices = {"Class": outputs, "Target": outputs, "Layer": support.convolution_layers(bundle)}
            for name, valid in choices.items():
                given = self.getProperty(name).value
                if given and given not in valid:
                    problems[name] = f"Model '{bundle.card.name}' has no '{given}': choose {', '.join(valid)}, or leave it blank."
            target, method = self._target(), self.getProperty("Method").value
            if bundle.card.task == "exchange" and target is None:
                problems["Target"] = f"Model '{bundle.card.name}' gives several constants: choose {', '.join(outputs)}."
            if bundle.card.task == "exchange" and method == "CAM":
                problems["Method"] = "Only of a classifier is the score a sum over pixels: choose GradCAM."
            if self.getProperty("Layer").value and support.METHODS[method] not in WITH_LAYER:
                problems["Layer"] = f"{method} looks at no layer: leave it blank."
        both = {self.getProperty(name).value for name in ("Class", "Target")} - {""}
        if len(both) > 1:
            problems["Class"] = "Class and Target name different ones: leave Class blank."
        return problems

    def PyExec(self):
        from mantid_insdl.plugin.workspaces import to_workspace

        workspace = self.getProperty("InputWorkspace").value
        measured = support.read_input(self)
        options = {"model": support.model_option(self)}
        options |= {"method": support.METHODS[self.getProperty("Method").value], "target": self._target()}
        options |= {"layer": self.getProperty("Layer").value or None}
        maps, _ = support.run(self, "explain", {"input": measured}, options)
        importance = maps["output"]
        self.setProperty("OutputWorkspace", to_workspace(importance, like=workspace, copy=support.copier(self)))
        support.tell_provenance(self, measured, importance)

    def _target(self):
        return self.getProperty("Target").value or self.getProperty("Class").value or None


AlgorithmFactory.subscribe(ComputeGradCAM)
