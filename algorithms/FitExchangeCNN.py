# SPDX-License-Identifier: GPL-3.0-or-later
from mantid.api import AlgorithmFactory, FileAction, FileProperty, PythonAlgorithm
from mantid.kernel import StringListValidator

try:
    from mantid_insdl.plugin import algorithms as support
except ModuleNotFoundError:
    raise ImportError(
        "FitExchangeCNN needs the package mantid_insdl, which Mantid's own Python does not find: "
        "close Mantid and run `insdl install` in a terminal."
    ) from None


class FitExchangeCNN(PythonAlgorithm):
    """Estimate exchange constants with error bars from constant-energy slices: with a convolutional neural network, and by a fit."""

    def name(self):
        return "FitExchangeCNN"

    def version(self):
        return 1

    def category(self):
        return support.CATEGORY

    def summary(self):
        return "Estimates exchange constants, with error bars, from constant-energy slices of inelastic neutron scattering."

    def seeAlso(self):
        return ["ClassifyMagneticModel", "SimulateSpinWaveMap", "DenoiseINS"]

    def checkGroups(self):
        return False  # a group is one stack of slices

    def PyInit(self):
        support.declare_input(self)
        support.declare_model(self, "estimate the exchange constants")
        self.declareProperty(
            "Refine",
            "Off",
            StringListValidator(["Off", "Fast", "Full"]),
            "Off: the network's constants. Fast: spin waves are fitted to the map from there on, in seconds to minutes. Full: from more "
            "starts, and with more of the resolution fitted.",
        )
        material_file = FileProperty("MaterialFile", "", FileAction.OptionalLoad, [".yaml", ".yml"])
        self.declareProperty(
            material_file,
            doc="A material of your own, as a YAML file: its spin waves are fitted without any network, with Refine=Off as with Fast.",
        )
        support.declare_table(
            self,
            "OutputTable",
            "One row a parameter: Name, Value, Error (one standard deviation), Unit. After a fit also what was fitted of the measurement, "
            "the reduced chi-squared, and the columns NetworkValue and NetworkError. Value and Error are NaN where the map is out of range "
            "or not explained.",
        )
        support.declare_output(
            self,
            "OutputFitWorkspace",
            "The map that the estimated parameters give, scaled to InputWorkspace and on its axes.",
            optional=True,
        )
        support.declare_output(self, "OutputResidual", "InputWorkspace minus OutputFitWorkspace.", optional=True)
        support.declare_table(
            self,
            "OutputNormalisedCovarianceMatrix",
            "Correlations of the fitted parameters in per cent, as Fit gives them. Needs a fit.",
            optional=True,
        )
        support.declare_ei(self)

    def validateInputs(self):
        if self.getProperty("MaterialFile").value:
            return support.check_material_file(self)
        problems, _ = support.check_input(self, "exchange")
        if support.wanted(self, "OutputNormalisedCovarianceMatrix") and self.getProperty("Refine").value == "Off":
            problems["OutputNormalisedCovarianceMatrix"] = "A network has none; set Refine to Fast or Full, or leave it blank."
        return problems

    def PyExec(self):
        from mantid_insdl.errors import InstabilityError
        from mantid_insdl.plugin import fits
        from mantid_insdl.plugin.answers import exchange_notices
        from mantid_insdl.plugin.tables import to_table
        from mantid_insdl.plugin.workspaces import to_workspace

        workspace, material = self.getProperty("InputWorkspace").value, self.getProperty("MaterialFile").value or None
        measured = support.read_input(self, material=material)
        inputs, options = {"input": measured}, {"model": support.model_option(self), "refine": self.getProperty("Refine").value.lower()}
        options["material"] = material
        try:
            options["simulate_fit"] = support.wanted(self, "OutputFitWorkspace") or support.wanted(self, "OutputResidual")
            maps, answer = support.run(self, "fit_exchange", inputs, options)
        except InstabilityError as error:
            if not options["simulate_fit"] or options["material"]:
                raise
            self.log().error(f"OutputFitWorkspace cannot be made. {error}")  # the table is of use all the same
            maps, answer = support.run(self, "fit_exchange", inputs, options | {"simulate_fit": False})
        notices = [*exchange_notices(answer), *fits.fit_notices(answer)]
        comment = [*notices, *answer["warnings"]]
        self.setProperty("OutputTable", to_table(*fits.parameter_table(answer), title=answer["material"], comment=comment))
        if support.wanted(self, "OutputNormalisedCovarianceMatrix"):
            self.setProperty("OutputNormalisedCovarianceMatrix", to_table(*fits.normalised_covariance_table(answer["fit"])))
        rows = list(zip(answer["names"], answer["values"], answer["errors"], answer["units"], strict=True))
        if "fit" in maps:
            logs = {"insdl_in_range": (answer["in_range"], ""), **support.evidence_logs(answer["evidence"])}
            logs |= support.identity_logs(answer["bundle"]) | {name: (value, unit) for name, value, _, unit in rows}
            fit = maps["fit"].replace(logs={**maps["fit"].logs, **logs})
            residual = (measured - fit).replace(error=measured.error, provenance=fit.provenance, logs=fit.logs)
            for name, m in (("OutputFitWorkspace", fit), ("OutputResidual", residual)):
                if support.wanted(self, name):
                    self.setProperty(name, to_workspace(m, like=workspace, copy=support.copier(self), material=material))
        support.tell(self, notices, answer["warnings"])


AlgorithmFactory.subscribe(FitExchangeCNN)
