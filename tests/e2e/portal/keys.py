"""A passkey in the browser of a test: an authenticator that says yes by itself (WebDriver of WebAuthn)."""

from tests.e2e.portal.browser import Visitor

OPTIONS = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def give_key(visitor: Visitor) -> None:
    """Give the browser a device that keeps passkeys."""
    devices = visitor.context.new_cdp_session(visitor.page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": OPTIONS})


def confirm(visitor: Visitor) -> None:
    """Give a visitor a passkey and confirm with it, so that forms which bind are taken for some minutes."""
    give_key(visitor)
    visitor.open("/preferences")
    visitor.page.locator("button[data-passkey='register']").click()
    visitor.page.get_by_role("rowheader").first.wait_for()
    visitor.open("/confirm?next=/portal/")
    visitor.page.locator("button[data-passkey='confirm']").click()
    visitor.page.wait_for_url(f"{visitor.url}/portal/")
