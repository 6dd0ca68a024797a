# SPDX-License-Identifier: GPL-3.0-or-later
import math

from mantid.api import AlgorithmFactory, PythonAlgorithm

try:
    from mantid_insdl.plugin import algorithms as support
except ModuleNotFoundError:
    raise ImportError(
        "FitExchangeCNN needs the package mantid_insdl in Mantid's own Python: run "
        "`mantidpython -m pip install --user --no-deps .` in the folder of its sources, and restart Mantid."
    ) from None


class FitExchangeCNN(PythonAlgorithm):
    """Estimate exchange constants with error bars from constant-energy slices with a convolutional neural network."""

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
        support.declare_table(
            self,
            "OutputTable",
            "One row a parameter: Name, Value, Error (one standard deviation), Unit. Value and Error are NaN where the map is out of range "
            "or no simulation explains it. Its title is the material, its comment says what limits the answer.",
        )
        support.declare_output(
            self,
            "OutputFitWorkspace",
            "The map that the estimated parameters give, scaled to InputWorkspace and on its axes.",
            optional=True,
        )

    def validateInputs(self):
        problems, _ = support.check_input(self, "exchange")
        return problems

    def PyExec(self):
        from mantid_insdl.errors import InstabilityError
        from mantid_insdl.plugin.answers import exchange_notices
        from mantid_insdl.plugin.workspaces import to_table, to_workspace

        workspace = self.getProperty("InputWorkspace").value
        inputs, options = {"input": support.read_input(self)}, {"model": support.model_option(self)}
        try:
            options["simulate_fit"] = support.wanted(self, "OutputFitWorkspace")
            maps, answer = support.run(self, "fit_exchange", inputs, options)
        except InstabilityError as error:  # the table is of use all the same
            self.log().error(f"OutputFitWorkspace cannot be made. {error}")
            maps, answer = support.run(self, "fit_exchange", inputs, options | {"simulate_fit": False})
        rows = list(zip(answer["names"], answer["values"], answer["errors"], answer["units"], strict=True))
        columns = (("Name", "str"), ("Value", "double"), ("Error", "double"), ("Unit", "str"))
        given = rows if answer["in_range"] else [(name, math.nan, math.nan, unit) for name, _, _, unit in rows]
        notices = exchange_notices(answer)
        comment = [*notices, *answer["warnings"]]
        self.setProperty("OutputTable", to_table(columns, given, title=answer["material"], comment=comment))
        if "fit" in maps:
            logs = {"insdl_in_range": (answer["in_range"], ""), **support.evidence_logs(answer["evidence"])}
            logs |= support.identity_logs(answer["bundle"]) | {name: (value, unit) for name, value, _, unit in rows}
            fit = maps["fit"].replace(logs={**maps["fit"].logs, **logs})
            self.setProperty("OutputFitWorkspace", to_workspace(fit, like=workspace, copy=support.copier(self)))
        support.tell(self, notices, answer["warnings"])


AlgorithmFactory.subscribe(FitExchangeCNN)
