"""What the wallet's page weighs, and how long a card takes to be shown to its hospital.

The card is shown as the page does it, by its own scripts on its own origin in Chromium: it asks for a request, checks
the hospital's signature, signs card, nonce and message with a key that never leaves the browser, and the hospital
verifies all of it and answers; over real HTTP on loopback.
"""

import statistics
import tempfile
from pathlib import Path
from typing import Any

from medspace.app.features.wallets.page import WalletPage
from tests.e2e.portal.browser import browsing
from tests.e2e.space import Stage, staged

SHOWINGS = 100
SHOW = """async (count) => {
  const { Hospitals } = await import("/wallet-page/hospital.js");
  const open = indexedDB.open("wallet");
  await new Promise((resolve) => { open.onsuccess = resolve; });
  const asked = open.result.transaction("kept").objectStore("kept").get("places");
  await new Promise((resolve) => { asked.onsuccess = resolve; });
  const [place] = asked.result;
  const hospitals = new Hospitals("en");
  const took = [];
  for (let number = 0; number < count; number += 1) {
    const began = performance.now();
    await hospitals.say(place, { act: "state" });
    took.push(performance.now() - began);
  }
  return took;
}"""


def measure() -> dict[str, dict[str, Any]]:
    """The two measures."""
    size = WalletPage("https://wallet.example").size / 1024
    with tempfile.TemporaryDirectory() as folder, staged(Path(folder)) as stage:
        _hospital(stage)
        took = _shown(stage)
    slow = statistics.quantiles(took, n=20)[-1]
    reference = f"p95 of {SHOWINGS}, with both calls and the hospital's check; median {statistics.median(took):.1f}"
    return {
        "wallet.page_kb": {"value": size, "unit": "kB", "reference": "all files, unpacked", "target": "<= 150"},
        "wallet.present_ms": {"value": slow, "unit": "ms", "reference": reference, "target": "<= 200"},
    }


def _hospital(stage: Stage) -> None:
    stage.add("authority")
    clinic = stage.add("clinic")
    origin = f"http://localhost:{clinic.config.public.port}"
    clinic.file.write_text(clinic.file.read_text() + f'\n[wallets]\nurl = "{origin}"\n')
    stage.open()
    stage.admit()


def _shown(stage: Stage) -> list[float]:
    """Milliseconds of each showing."""
    told = stage.space("clinic").invite_patient("p")
    with browsing() as browser:
        page = browser.new_context().new_page()
        page.goto(told["page"])
        page.locator("#pin").fill(told["pin"])
        page.locator("button.main").click()
        page.locator("code.code").wait_for()
        return [float(one) for one in page.evaluate(SHOW, SHOWINGS)]
