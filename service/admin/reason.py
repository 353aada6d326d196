"""The reason that an admin gives for changing a wallet."""

from service.admin.i18n import gettext as _
from service.vocabulary import CONTROL_CHARACTER, MAX_REASON


def problems(reason: str) -> dict[str, str]:
    """What is wrong with a reason, by the name of its field."""
    if not reason.strip():
        return {"reason": _("Enter a reason. It is recorded in the audit log.")}
    if len(reason) > MAX_REASON or CONTROL_CHARACTER.search(reason):
        return {"reason": _("A reason must be at most %(max)s characters, on one line.") % {"max": MAX_REASON}}
    return {}
