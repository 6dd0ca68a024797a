# SPDX-License-Identifier: GPL-3.0-or-later
from mantid.api import AlgorithmFactory, FileAction, FileProperty, PropertyMode, PythonAlgorithm, WorkspaceProperty
from mantid.kernel import Direction, FloatArrayProperty, FloatBoundedValidator, IntBoundedValidator, StringListValidator

try:
    from mantid_insdl.maps import MAXIMUM_COUNTS
    from mantid_insdl.plugin import algorithms as support
    from mantid_insdl.plugin import simulation_properties
except ModuleNotFoundError:
    raise ImportError(
        "SimulateSpinWaveMap needs the package mantid_insdl, which Mantid's own Python does not find: "
        "close Mantid and run `insdl install` in a terminal."
    ) from None


class SimulateSpinWaveMap(PythonAlgorithm):
    """Calculate constant-energy slices of the spin waves of a magnet, as a time-of-flight spectrometer would measure them."""

    def name(self):
        return "SimulateSpinWaveMap"

    def version(self):
        return 1

    def category(self):
        return support.CATEGORY

    def summary(self):
        return "Simulates the constant-energy slices that a spectrometer would measure, by linear spin-wave theory."

    def seeAlso(self):
        return ["FitExchangeCNN", "DenoiseINS", "ClassifyMagneticModel"]

    def checkGroups(self):
        return False  # a group is one stack of slices

    def PyInit(self):
        default = ", ".join(f"{v:g}" for v in simulation_properties.DEFAULT_RANGE)
        materials = simulation_properties.shipped_materials()
        self.declareProperty("Material", "", StringListValidator(["", *materials]), f"The magnet: {', '.join(materials)}.")
        material_file = FileProperty("MaterialFile", "", FileAction.OptionalLoad, [".yaml", ".yml"])
        self.declareProperty(material_file, doc="A material of your own, as a YAML file, instead of Material.")
        self.declareProperty(
            "Parameters", "", doc="Parameters of the material to change, in meV: J1=0.65, J2=0.012. Blank takes the material's own values."
        )
        template = WorkspaceProperty("Template", "", Direction.Input, PropertyMode.Optional)
        self.declareProperty(template, doc="A map whose axes, energies, mask and form to use, instead of the four properties below.")
        self.declareProperty(FloatArrayProperty("Ei"), doc="Incident energy in meV, or several, separated by commas.")
        self.declareProperty(
            FloatArrayProperty("EnergyBins"),
            doc="Energy windows of the slices in meV, as in Rebin: min, step, max; or min, max for one slice. Fractions for several Ei.",
        )
        self.declareProperty(FloatArrayProperty("QhRange"), doc=f"Range of Qh in r.l.u.: min, step, max. Blank is {default}.")
        self.declareProperty(FloatArrayProperty("QkRange"), doc=f"Range of Qk in r.l.u.: min, step, max. Blank is {default}.")
        self.declareProperty("Twins", True, doc="Average over the twins that the material's crystals have.")
        self.declareProperty(
            "Resolution", True, doc="Broaden by the resolution of the spectrometer. Otherwise only the energy bins broaden."
        )
        not_negative = FloatBoundedValidator(lower=0.0)
        self.declareProperty("Background", 0.0, not_negative, "A constant added to the intensity.")
        counts = FloatBoundedValidator(lower=0.0, upper=MAXIMUM_COUNTS)
        self.declareProperty(
            "Counts", 0.0, counts, "Number of neutrons counted in the whole map, which gives noise and errors. 0 is no noise."
        )
        self.declareProperty("Seed", 0, IntBoundedValidator(lower=0), "Start of the random numbers: the same seed gives the same noise.")
        instruments = StringListValidator(simulation_properties.shipped_instruments())
        self.declareProperty("Instrument", "MAPS", instruments, "The spectrometer whose energy resolution broadens.")
        self.declareProperty(
            FloatArrayProperty("IntrinsicFWHM"),
            doc="Lorentzian full width of the modes themselves in meV, or A, B, ... of A + B E + ... of their energy E. Blank is none.",
        )
        self.declareProperty("Temperature", 0.0, not_negative, "In kelvin: the intensity is multiplied by the Bose factor n(E) + 1.")
        self.declareProperty("KfOverKi", False, doc="Multiply by kf/ki, as a measured cross-section is before ki/kf scaling.")
        support.declare_output(self, "OutputWorkspace", "The map: a group where it has more than one slice, or the form of Template.")

    def validateInputs(self):
        problems, _ = simulation_properties.read(self)
        return problems

    def PyExec(self):
        from mantid_insdl.networks.repeats import check_repeats
        from mantid_insdl.plugin.workspaces import to_workspace

        _, (maps, options) = simulation_properties.read(self)
        outputs, answer = support.run(self, "simulate", maps, options)
        support.tell(self, [], [*answer["remarks"], *(check_repeats(maps["like"]) if maps else [])])
        template = self.getProperty("Template").value
        self.setProperty(
            "OutputWorkspace", to_workspace(outputs["output"], like=template, clone=support.copier(self), material=options["material"])
        )


AlgorithmFactory.subscribe(SimulateSpinWaveMap)
