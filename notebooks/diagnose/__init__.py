"""What theory says about a user's own features: `projhead diagnose`."""

from notebooks.diagnose.diagnosis import Diagnosis, diagnose
from notebooks.diagnose.monitor import Monitor, record_outputs, write_features

__all__ = ["Diagnosis", "Monitor", "diagnose", "record_outputs", "write_features"]
