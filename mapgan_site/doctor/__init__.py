"""``manage.py doctor``: looks at every part of an installation and says what is wrong and what to do.

No message holds a secret or an address: what to look at is named by its setting.
"""

from mapgan_site.doctor.finding import FAIL, OK, SKIP, WARN, Finding
from mapgan_site.doctor.run import examine, services_findings

__all__ = ["FAIL", "OK", "SKIP", "WARN", "Finding", "examine", "services_findings"]
