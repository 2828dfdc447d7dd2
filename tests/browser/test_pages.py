"""Every page in a real Chromium, at desktop and phone width, by day and by night."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

PAGES = ("home", "join", "signin", "running", "answered", "nothing")
WIDTHS = {"desktop": 1280, "phone": 390}

CONTRAST = """() => {
  const light = (c) => {
    const [r, g, b] = c.match(/[0-9.]+/g).slice(0, 3).map(Number).map((v) => {
      v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (el) => {
    for (; el; el = el.parentElement) {
      const c = getComputedStyle(el).backgroundColor;
      if (!/, 0\\)$|transparent/.test(c)) return c;
    }
    return 'rgb(255, 255, 255)';
  };
  const faint = [];
  for (const el of document.querySelectorAll('h1,h2,h3,p,li,td,th,dt,dd,a,b,label,button')) {
    const text = [...el.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!text || !el.getClientRects().length) continue;
    const [a, b] = [light(getComputedStyle(el).color), light(ground(el))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.4) faint.push(el.textContent.trim().slice(0, 40));
  }
  return faint;
}"""


def opened(browser: Browser, url: str, width: int, scheme: str) -> tuple[Page, list[str]]:
    """The page, and everything that its console, its policy or the network complained of."""
    page = browser.new_page(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    faults: list[str] = []
    origin = urlsplit(url).netloc
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.on(
        "console",
        lambda message: (
            faults.append(f"console: {message.text}")
            if message.type == "error" and "404" not in message.text
            else None
        ),
    )
    page.on(
        "request",
        lambda request: (
            faults.append(f"asks elsewhere: {request.url}")
            if urlsplit(request.url).netloc != origin
            else None
        ),
    )
    page.goto(url)
    page.wait_for_load_state("networkidle")
    return page, faults


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_quiet_and_readable(
    chromium: Browser, site: dict[str, str], tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    page, faults = opened(chromium, site[name], width, scheme)
    try:
        assert faults == []
        assert page.locator("h1").count() == 1, "a page opens with its one answer in words"
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert overflow <= 0, f"{overflow} px stand beyond the edge of the screen"
        assert page.evaluate(CONTRAST) == [], "text that is too faint to read"
        broken = page.evaluate(
            "[...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src)"
        )
        assert broken == [], "pictures that do not show"
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        assert (tmp_path / f"{name}.png").stat().st_size > 5_000
    finally:
        page.close()


def test_the_keyboard_reaches_the_main_step(chromium: Browser, site: dict[str, str]) -> None:
    page, _ = opened(chromium, site["home"], 1280, "light")
    try:
        for _ in range(12):
            page.keyboard.press("Tab")
            target = page.evaluate("document.activeElement.getAttribute('href')")
            if (
                target
                and target.endswith("/join")
                and "btn" in page.evaluate("document.activeElement.className")
            ):
                break
        else:
            pytest.fail("twelve steps of Tab do not reach the button that joins")
        page.keyboard.press("Enter")
        page.wait_for_url("**/join")
        assert "root=" in page.content()
    finally:
        page.close()
