"""One base error, and one line for each kind a caller may want to catch."""


class WorkcastError(Exception):
    """Say what went wrong, with which value, and what to do about it."""


class SettingsError(WorkcastError): ...


class MappingError(WorkcastError): ...


class LogFormatError(WorkcastError): ...


class ImportFailedError(WorkcastError): ...


class SimulationError(WorkcastError): ...


class SourceError(WorkcastError): ...


class NotFoundError(WorkcastError): ...


class ExtractError(WorkcastError): ...


class ValidationFailedError(WorkcastError): ...


class FeatureBuildError(WorkcastError): ...


class FeatureStoreError(WorkcastError): ...


class TrainingError(WorkcastError): ...


class RegistryError(WorkcastError): ...


class MonitoringError(WorkcastError): ...


class PlatformError(WorkcastError): ...
