"""The report: every number on it comes from a table, nothing on it executes, and it works in a browser."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from browser import browser, screenshot
from stack import Stack
from test_real_data import LAYERS, write_reference
from test_workflow import local_run

HOSTILE = '<img src=x onerror="document.title=1">=HYPERLINK("http://x")'
VOID = {"meta", "link", "input", "br", "rect", "path", "hr"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    parent: Element | None
    children: list[Element | str] = field(default_factory=list)

    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text() for child in self.children)

    def all(self, tag: str) -> list[Element]:
        found = [child for child in self.children if isinstance(child, Element)]
        return [element for child in found for element in ([child] if child.tag == tag else []) + child.all(tag)]

    def within(self, *names: str) -> bool:
        """Whether it, or what it is in, is of this tag or has this attribute."""
        at: Element | None = self
        while at:
            if at.tag in names or any(name in at.attributes for name in names):
                return True
            at = at.parent
        return False


class Page(HTMLParser):
    """The page as a tree; cells and rows may lack their end tags, as HTML allows."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("root", {}, None)
        self.at = self.root
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        closes = {"td": ("td", "th"), "th": ("td", "th"), "tr": ("tr",)}.get(tag, ())
        at: Element | None = self.at
        while at and at.tag not in ("table", "tbody", "thead", *closes):
            at = at.parent
        if at and at.tag in closes and at.parent:
            self.at = at.parent
        element = Element(tag, {name: value or "" for name, value in attributes}, self.at)
        self.at.children.append(element)
        if tag not in VOID:
            self.at = element

    def handle_endtag(self, tag: str) -> None:
        at: Element | None = self.at
        while at and at.tag != tag:
            at = at.parent
        if at and at.parent:
            self.at = at.parent

    def handle_data(self, data: str) -> None:
        self.at.children.append(data)


class Run:
    """A finished run below a folder, and the numbers that its documents and tables have."""

    def __init__(self, out: Path, run: str) -> None:
        self.out, self.run = out, run
        folder = out / "runs" / f"run={run}"
        self.html = (folder / "report.html").read_text()
        self.path = folder / "report.html"
        self.ledger = json.loads((folder / "ledger.json").read_text())
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.drift = json.loads((folder / "drift.json").read_text())
        self.page = Page(self.html).root

    def rows(self, table: str) -> list[dict[str, Any]]:
        files = [self.out / file["key"] for file in self.manifest["tables"][table]["files"]]
        rows: list[dict[str, Any]] = pq.read_table(files, partitioning=None).to_pylist()
        return rows

    def figure(self, source: str, register: Path) -> float:
        """What `data-from` names."""
        where, _, what = source.partition(":")
        if where in ("ledger", "manifest", "drift"):
            at: Any = {"ledger": self.ledger, "manifest": self.manifest, "drift": self.drift}[where]
            for name in what.split("."):
                at = at[int(name)] if isinstance(at, list) else at[name]
            return float(at)
        if where == "register":
            import csv

            rows = list(csv.DictReader(register.open(encoding="utf-8-sig")))
            blank = [row for row in rows if not row["GBIF taxonKey"].strip("0 ")]
            return len(rows) if what == "rows" else len(blank)
        if where == "species":
            return len({row["specieskey"] for row in self.rows("state_x_species_list")} - {None})
        if where == "top":
            return min(25, self.figure("species", register))
        if where == "dataset_counts":
            rows = [row for row in self.rows("dataset_counts") if row["annotated"]]
            if what == "datasets":
                return len({row["datasetkey"] for row in rows} - {None})
            commercial = [row["annotated"] for row in rows if "NC" in (row["license"] or "")]
            return round(100 * sum(commercial) / sum(row["annotated"] for row in rows), 1)
        if where == "map":
            return 0
        table, key = where, self.key(where)
        if what == "regions":
            return len([row for row in self.rows(table) if row[key] is not None])
        if what == "outside.occ_count":
            return next(row["occ_count"] for row in self.rows(table) if row[key] is None)
        raise AssertionError(source)

    def key(self, table: str) -> str:
        name: str = pq.read_schema(self.out / self.manifest["tables"][table]["files"][0]["key"]).names[0]
        return name


def shown(value: Any) -> str:
    """A value as the page has it."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.1f}"


@pytest.fixture(scope="module")
def real(worker: Path, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The 600 real records by county, state and AIANNH area."""
    folder = tmp_path_factory.mktemp("report")
    arguments = write_reference(folder, real_data)
    manifest, _ = local_run(worker, folder / "out", "--source", real_data / "gbif" / "us-2022-600-dwca.zip", *arguments)
    return Run(folder / "out", manifest["run_id"])


@pytest.fixture(scope="module")
def synthetic(worker: Path, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The synthetic sample with the layers that the program carries."""
    out = tmp_path_factory.mktemp("synthetic")
    arguments = ("--source", sample / "sample-3000.zip", "--riis", sample / "sample-riis.csv")
    return Run(out, local_run(worker, out, *arguments)[0]["run_id"])


@pytest.fixture(params=["real", "synthetic"])
def traced(request: pytest.FixtureRequest, real_data: Path, sample: Path) -> tuple[Run, Path]:
    register = {"real": real_data / "riis" / "US-RIIS_MasterList.csv", "synthetic": sample / "sample-riis.csv"}
    return request.getfixturevalue(request.param), register[request.param]


def test_every_number_comes_from_a_table(traced: tuple[Run, Path]) -> None:
    every_number(*traced, 300)


def every_number(run: Run, register: Path, least_cells: int) -> None:
    """Traces every number on the page to a document or table of the run; at least so many cells of tables."""
    figures = [element for element in run.page.all("data") if "data-from" in element.attributes]
    assert len(figures) > 30
    for element in figures:
        expected = run.figure(element.attributes["data-from"], register)
        assert float(element.attributes["value"]) == expected, element.attributes
        is_share = element.attributes["data-from"].endswith("noncommercial")
        assert element.text() == (f"{expected:.1f}" if is_share else f"{expected:,.10g}"), element.attributes

    cells = 0
    for table in run.page.all("table"):
        name = table.attributes.get("data-table")
        if not name:
            continue
        body = table.all("tbody")[0]
        traced_rows = [(row.attributes["data-key"] or None, [cell for cell in row.all("th") + row.all("td")]) for row in body.all("tr")]
        headings = table.all("th")[: len(traced_rows[0][1])] if traced_rows else []
        if "data-transposed" in table.attributes:
            (values,) = run.rows(name)
            for column, (heading, *_, value) in traced_rows:
                assert column and heading.text() == column
                found = values[column]
                text = value.text().replace(",", "")
                assert text == "–" if found is None else float(text) == pytest.approx(found, rel=1e-5), column
                cells += 1
        elif "data-licences" in table.attributes:
            counts: Counter[str | None] = Counter()
            for row in run.rows(name):
                counts[row["license"]] += row["annotated"]
            for license, (_, records, _) in traced_rows:
                assert records.text() == shown(counts[license])
                cells += 1
        elif "data-species" in table.attributes:
            rows = run.rows(name)
            totals: Counter[str] = Counter()
            for row in rows:
                if row["specieskey"]:
                    totals[row["specieskey"]] += row["occ_count"]
            assert [key for key, _ in traced_rows] == [key for key, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:25]]
            for key, (_, _, records, nonnative, first, last) in traced_rows:
                of_key = [row for row in rows if row["specieskey"] == key]
                listed = [row["occ_count"] for row in of_key if not row["riis_assessment"].startswith("not_")]
                years = [[row[name] for row in of_key if row[name] is not None] for name in ("first_year", "last_year")]
                assert records.text() == shown(sum(row["occ_count"] for row in of_key))
                assert nonnative.text() == shown(sum(listed))
                assert first.text() == (str(min(years[0])) if years[0] else "–")
                assert last.text() == (str(max(years[1])) if years[1] else "–")
                cells += 4
        elif "data-new" in table.attributes:
            rows = run.rows(name)[:100]
            columns = ["species", None, "riis_assessment", "eventdate", "recent", "gbifid", "place", "coordinateuncertaintyinmeters", "basisofrecord", "datasetkey", "issue"]
            assert [key for key, _ in traced_rows] == [row[run.key(name)] for row in rows]
            for row, (_, found) in zip(rows, traced_rows):
                told = row | {"recent": "yes" if row["recent"] else "no", "place": f"{row['decimallatitude']:.9g}, {row['decimallongitude']:.9g}"}
                for column, cell in zip(columns, found):
                    expected = told[column] if column else next(iter(row.values()))
                    if column is None:  # the label of the region, else its key
                        expected = row.get("state_county", expected)
                    text = f"{expected:g}" if isinstance(expected, float) else expected
                    assert cell.text() == ("–" if text is None else text), (name, column)
                    cells += 1
        elif name.endswith("_x_riis_counts"):
            key_column = run.key(name)
            by_status = {(row[key_column], row["riis_assessment"]): row["occ_count"] for row in run.rows(name)}
            statuses = [heading.attributes.get("data-status") for heading in headings]
            for key, row_cells in traced_rows:
                for status, cell in zip(statuses, row_cells):
                    if status:
                        assert cell.text() == shown(by_status.pop((key, status), 0)), (key, status)
                        cells += 1
            assert not by_status, "every count of the table is on the page"
        else:
            sources = [heading.attributes["data-column"].split(".") for heading in headings]
            key_column = run.key(f"{name}_counts")
            tables = {table: {row[key_column]: row for row in run.rows(table)} for table in {source[0] for source in sources}}
            counts_table = tables[f"{name}_counts"]
            assert [key for key, _ in traced_rows] == [
                key for key, _ in sorted(
                    ((key, row["occ_count"]) for key, row in counts_table.items() if key is not None),
                    key=lambda item: (-item[1], item[0].encode()),
                )
            ]  # fmt: skip
            for key, row_cells in traced_rows:
                for (table_name, column), cell in zip(sources, row_cells):
                    value = tables[table_name][key][column]
                    expected = value if isinstance(value, str) else shown(value)
                    assert cell.text().strip() == expected, (name, key, column)
                    cells += 1
    assert cells > least_cells
    # What has digits is traced, or is a text that the run was given.
    free = ("data-from", "data-table", "data-text", "data-scale", "style", "script", "h1", "title", "option")

    def untraced(element: Element) -> list[str]:
        if element.within(*free):
            return []
        own = [child for child in element.children if isinstance(child, str) and re.search(r"\d", child.replace("SHA-256", ""))]
        return own + [text for child in element.children if isinstance(child, Element) for text in untraced(child)]

    assert untraced(run.page) == []


def test_the_flow_has_the_numbers_of_the_ledger(traced: tuple[Run, Path]) -> None:
    run, _ = traced
    flow = next(svg for svg in run.page.all("svg") if svg.attributes.get("class") == "flow")
    told = {text.text().rsplit(" ", 1)[0]: text.text().rsplit(" ", 1)[1] for text in flow.all("text")}
    records = run.ledger["records"]
    expected = {name: records[name] for name in ("read", "landed", "rejected", "annotated")}
    expected |= {f"held back: {name}": count for name, count in records["filtered"].items()}
    expected |= {name.replace("_", " "): count for name, count in run.ledger["riis"].items()}
    assert told == {name: shown(count) for name, count in expected.items() if count}


def test_it_is_small_and_asks_for_nothing(traced: tuple[Run, Path]) -> None:
    run, _ = traced
    assert len(run.html.encode()) < 5_000_000
    assert run.html.count("<script>") == 1 and "javascript:" not in run.html
    policy = next(meta.attributes["content"] for meta in run.page.all("meta") if meta.attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    loads = [element for tag in ("link", "img", "iframe", "object") for element in run.page.all(tag)]
    assert loads == [] and "url(http" not in run.html and "@import" not in run.html
    for link in run.page.all("a"):
        href = link.attributes["href"]
        if not href.startswith(("#", "https://www.gbif.org/", "https://doi.org/")):
            assert (run.path.parent / href).resolve().is_file(), href


def open_page(driver: Any, run: Run) -> float:
    """Opens the report; the seconds until it is complete."""
    from selenium.webdriver.support.wait import WebDriverWait

    begin = time.monotonic()
    driver.get(run.path.as_uri())
    # On a busy machine `get` has been seen to come back before the new page was read.
    complete = "return location.href.startsWith(arguments[0]) && document.readyState === 'complete'"
    WebDriverWait(driver, 60, 0.05).until(lambda driver: driver.execute_script(complete, run.path.as_uri()))
    return time.monotonic() - begin


def errors(driver: Any) -> list[str]:
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def kept(name: str, tmp_path: Path) -> Path:
    """Where a screenshot goes: it is kept where the environment names a folder."""
    folder = Path(os.environ.get("BISONFLOW_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


@pytest.fixture(scope="module")
def large(worker: Path, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A synthetic sample of a million records, in nearly all counties."""
    folder = tmp_path_factory.mktemp("large")
    subprocess.run([worker, "sample", "--records", "1000000", "--out", folder], check=True, capture_output=True)
    layers = write_reference(folder, real_data)[:2]
    arguments = ("--source", folder / "sample-1000000.zip", *layers, "--riis", folder / "sample-riis.csv")
    run = Run(folder / "out", local_run(worker, folder / "out", *arguments)[0]["run_id"])
    (folder / "sample-1000000.zip").unlink()
    for table in ("occurrences", "annotated"):
        shutil.rmtree(folder / "out" / table)
    return run


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
@pytest.mark.parametrize("size", ["real", "large"])
def test_in_a_browser(request: pytest.FixtureRequest, tmp_path: Path, size: str, scheme: str, width: int) -> None:
    run: Run = request.getfixturevalue(size)
    assert len(run.html.encode()) < 5_000_000
    with browser(width, 1000 if width > 600 else 844, scheme) as driver:

        seconds = open_page(driver, run)
        kept(f"report-{size}-{scheme}-{width}.txt", tmp_path).write_text(f"{len(run.html.encode())} bytes, {seconds:.2f} s to load\n")
        drawn = driver.execute_script("return [...document.querySelectorAll('.summary:not([hidden]) .regions path')].map(p => { const b = p.getBBox(); return [p.dataset.r, p.dataset.t, b.x, b.y, b.width, b.height]; })")
        assert len(drawn) > 3_000
        view = driver.execute_script("return document.querySelector('.map').getAttribute('viewBox')").split()
        assert all(box[2] >= -40 and box[3] >= -40 and box[2] + box[4] <= float(view[2]) + 40 and box[3] + box[5] <= float(view[3]) + 40 for box in drawn)
        with_records = sorted(
            (row for row in run.rows("county_counts") if row["county_geoid"]), key=lambda row: (-row["occ_count"], row["county_geoid"].encode())
        )
        names = [box[1] or with_records[int(box[0])]["state_county"] for box in drawn]
        assert any(name.startswith("AK ") for name in names) and any(name.startswith("HI ") for name in names)
        wide = driver.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, "nothing makes the page scroll sideways"
        screenshot(driver, kept(f"report-{size}-{scheme}-{width}.png", tmp_path))
        if (scheme, width) == ("light", 1280):
            kept(f"report-{size}.pdf", tmp_path).write_bytes(printed(driver))
        from axe_selenium_python import Axe

        axe = Axe(driver)
        axe.inject()
        faults = [fault for fault in axe.run()["violations"] if fault["impact"] in ("serious", "critical")]
        assert faults == [], axe.report(faults)
        assert errors(driver) == []


def printed(driver: Any) -> bytes:
    """The page as it prints, as a PDF."""
    return base64.b64decode(driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True})["data"])


def test_the_large_page_is_used_like_the_small_one(large: Run) -> None:
    with browser() as driver:
        from selenium.webdriver.common.by import By

        open_page(driver, large)
        script = driver.execute_script
        laid_out = "return document.querySelectorAll('.summary:not([hidden]) tbody tr').length"
        counts = {row["state_county"]: row["occ_count"] for row in large.rows("county_counts") if row["county_geoid"]}
        assert script(laid_out) == 100 and len(counts) > 3_000
        # A region whose row is not laid out is read out all the same, and its row is shown when it is chosen.
        path = ".regions path[data-r='2500']"
        script(f"document.querySelector(\"{path}\").dispatchEvent(new PointerEvent('pointerover', {{bubbles: true}}))")
        readout = driver.find_element(By.CSS_SELECTOR, ".readout").text
        (name,) = [name for name in counts if readout.startswith(name)]
        assert f"records: {counts[name]:,}" in readout
        search = driver.find_element(By.CSS_SELECTOR, ".summary:not([hidden]) input[type=search]")
        search.send_keys("hawaii")
        assert script(laid_out) == len([name for name in counts if "hawaii" in name.lower()]) > 0
        search.clear()
        search.send_keys(" ")
        script("document.querySelectorAll('.summary:not([hidden]) th button')[4].click()")
        cells = "return [...document.querySelectorAll('.summary:not([hidden]) tbody tr')].map(row => row.cells[4].textContent)"
        assert script(cells) == [shown(count) for count in sorted(counts.values(), reverse=True)[:100]]
        script(f"document.querySelector(\"{path}\").dispatchEvent(new MouseEvent('click', {{bubbles: true}}))")
        assert script(laid_out) == len(counts)
        assert errors(driver) == []


def test_it_prints(real: Run, tmp_path: Path) -> None:
    with browser() as driver:
        open_page(driver, real)
        pdf = printed(driver)
        kept("report.pdf", tmp_path).write_bytes(pdf)
        assert pdf.startswith(b"%PDF")
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        hidden = "return ['nav', '.tools', '.more', '.readout'].flatMap(what => [...document.querySelectorAll(what)]).filter(found => found.offsetParent !== null).length"
        assert driver.execute_script(hidden) == 0
        rows = "return [...document.querySelectorAll('table.sortable')].map(table => [...table.tBodies[0].rows].filter(row => row.offsetParent !== null).length)"
        assert max(driver.execute_script(rows)) <= 40


def test_pointing_sorting_and_searching(real: Run) -> None:
    with browser() as driver:
        from selenium.webdriver.common.by import By

        open_page(driver, real)
        script = driver.execute_script
        most = max((row for row in real.rows("county_counts") if row["county_geoid"]), key=lambda row: row["occ_count"])
        script("document.querySelector('.regions path[data-r=\"0\"]').dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))")
        readout = driver.find_element(By.CSS_SELECTOR, ".readout").text
        assert most["state_county"] in readout and f"records: {most['occ_count']}" in readout
        before = script("return [...document.querySelectorAll('.regions path')].slice(0, 500).map(p => p.getAttribute('class')).join()")
        script("document.querySelectorAll('.measures input')[2].click()")
        assert before != script("return [...document.querySelectorAll('.regions path')].slice(0, 500).map(p => p.getAttribute('class')).join()")
        assert script("return [...document.querySelectorAll('.summary:not([hidden]) .legend')].map(l => l.hidden)") == [True, True, False]

        def column(place: int) -> list[str]:
            found: list[str] = script(
                "return [...document.querySelectorAll('.summary:not([hidden]) tbody tr:not([hidden])')].map(r => r.cells[arguments[0]].textContent)", place
            )
            return found

        assert len(column(0)) == 100, "the first ones, until more are asked for"
        script("document.querySelectorAll('.summary:not([hidden]) th button')[0].click()")
        assert column(0) == sorted(column(0)) and len(column(0)) == 100
        script("document.querySelector('.summary:not([hidden]) .more').click()")
        names = column(0)
        assert names == sorted(names) and len(names) == len([row for row in real.rows("county_counts") if row["county_geoid"]]) > 100
        script("document.querySelectorAll('.summary:not([hidden]) th button')[4].click()")
        counts = [int(text.replace(",", "")) for text in column(4)]
        assert counts == sorted(counts, reverse=True)
        assert script("return document.querySelectorAll('.summary:not([hidden]) th')[4].getAttribute('aria-sort')") == "descending"
        search = driver.find_element(By.CSS_SELECTOR, ".summary:not([hidden]) input[type=search]")
        search.send_keys("ks ")
        expected = {row["state_county"] for row in real.rows("county_counts") if row["state_county"] and "ks" in " ".join(map(str, row.values())).lower()}
        assert set(column(0)) == expected
        choice = driver.find_element(By.ID, "summary-select")
        for place, name in enumerate(("county", "state", "aiannh")):
            script("arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))", choice, str(place))
            assert script("return [...document.querySelectorAll('section.summary')].filter(s => !s.hidden).map(s => s.dataset.summary)") == [name]
            assert script("return document.querySelectorAll('.summary:not([hidden]) .regions path').length") > 50
        assert errors(driver) == []


def test_by_the_keyboard_alone(real: Run) -> None:
    with browser() as driver:
        from selenium.webdriver import ActionChains, Keys

        open_page(driver, real)

        def press(key: str) -> None:
            ActionChains(driver).send_keys(key).perform()

        focused = lambda what: driver.execute_script(f"return document.activeElement.{what}")  # noqa: E731
        reached = []
        for _ in range(60):
            press(Keys.TAB)
            reached.append(focused("tagName + (document.activeElement.getAttribute('class') ?? '') + (document.activeElement.type ?? '')"))
            if reached[-1].startswith("svgmap"):
                press(Keys.ARROW_RIGHT)
                first = driver.execute_script("return document.querySelector('.readout').textContent")
                for key in (Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_LEFT):
                    press(key)
                assert driver.execute_script("return document.querySelector('.readout').textContent") != first
                assert "records" in first
            if focused("tagName") == "BUTTON":
                press(Keys.ENTER)
                assert focused("closest('th').getAttribute('aria-sort')") in ("ascending", "descending")
                break
        assert any("radio" in name for name in reached) and any("search" in name for name in reached), reached
        assert any(name.startswith("svgmap") for name in reached) and any("select" in name for name in reached), reached
        assert reached[-1].startswith("BUTTON"), reached


def test_nothing_from_outside_executes(worker: Path, tmp_path: Path) -> None:
    header = "gbifID\tdecimalLatitude\tdecimalLongitude\ttaxonKey\tspeciesKey\tspecies\tscientificName\ttaxonRank\tcountryCode\tbasisOfRecord\toccurrenceStatus\n"
    row = f"{{}}\t38.9\t-95.2\t5\t5\t{HOSTILE}\t{HOSTILE}\tSPECIES\tUS\tHUMAN_OBSERVATION\tPRESENT\n"
    (tmp_path / "hostile.txt").write_text(header + "".join(row.format(place) for place in range(3)))
    square = {"type": "Polygon", "coordinates": [[[-96, 38], [-95, 38], [-95, 39], [-96, 39], [-96, 38]]]}
    feature = {"type": "Feature", "properties": {"ID": "</script><b>1", "NAME": HOSTILE}, "geometry": square}
    (tmp_path / "squares.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    (tmp_path / "layers.toml").write_text("""
[[layer]]
name = "square"
source = "squares.geojson"
vintage = "<i>2020</i>"
scale = "1:500k"
id = "ID"
fields = { square_id = "ID", square_name = "NAME" }
[[summary]]
name = "square"
by = ["square_id", "square_name"]
""")
    arguments = ("--source", tmp_path / "hostile.txt", "--layers", tmp_path / "layers.toml", "--riis", "none")
    run = Run(tmp_path / "out", local_run(worker, tmp_path / "out", *arguments)[0]["run_id"])
    assert "<img" not in run.html and "<b>1" not in run.html and "<i>2020" not in run.html
    assert HOSTILE in [element.text() for element in run.page.all("i")], "it is shown as it is"
    assert "No register." in run.page.text()
    with browser() as driver:
        open_page(driver, run)
        driver.execute_script("document.querySelector('.regions path').dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))")
        assert HOSTILE in driver.execute_script("return document.querySelector('.readout').textContent")
        assert driver.title.startswith("upload-hostile") and driver.execute_script("return document.images.length") == 0
        assert errors(driver) == []


def test_an_empty_run_has_a_clear_page(worker: Path, tmp_path: Path) -> None:
    header = "gbifID\tdecimalLatitude\tdecimalLongitude\ttaxonKey\ttaxonRank\tcountryCode\tbasisOfRecord\n"
    (tmp_path / "none.txt").write_text(header)
    run = Run(tmp_path / "out", local_run(worker, tmp_path / "out", "--source", tmp_path / "none.txt", "--riis", "none")[0]["run_id"])
    assert "Regions with records: 0" in run.page.text() and "NaN" not in run.page.all("main")[0].text()
    with browser() as driver:
        open_page(driver, run)
        assert driver.execute_script("return document.querySelectorAll('.regions path.cn').length") > 3_000
        assert errors(driver) == []


def test_the_workflow_writes_the_same(stack: Stack, real_data: Path, real: Run) -> None:
    """But for what differs: the places of source, layers and register, and what was published there before."""
    before = stack.get("reference/riis.csv")
    stack.put("reference/layers.toml", LAYERS.encode())
    for name in ("us_county_2017_10m.zip", "cb_2021_us_aiannh_500k.zip"):
        stack.put(f"reference/{name}", real_data / "regions" / name)
    stack.put("reference/riis.csv", real_data / "riis" / "US-RIIS_MasterList.csv")
    try:
        execution = stack.upload("uploads/report.zip", real_data / "gbif" / "us-2022-600-dwca.zip")
    finally:
        stack.s3.delete_object(Bucket=stack.bucket, Key="reference/layers.toml")
        if before is not None:
            stack.put("reference/riis.csv", before)
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    run = execution.output["summary"]["run_id"]
    assert execution.output["summary"]["report"] == f"s3://{stack.bucket}/runs/run={run}/report.html"
    page = stack.get(f"runs/run={run}/report.html")
    assert page is not None

    def body(html: str) -> str:
        """The page down to what was run, but for what depends on the runs that were published before."""
        (main,) = Page(html).root.all("main")
        (new,) = [section for section in main.all("section") if section.attributes.get("id") == "new"]
        told = main.text().replace(new.text(), "").split("What was run")[0]
        return re.sub(r"\nChanges\n.*?(?=\nRegions\n)", "", told, flags=re.S)

    assert "Changes" not in body(real.html) and "Regions" in body(real.html)
    assert body(page.decode()).replace(run, real.run) == body(real.html)
    assert f"Report: s3://{stack.bucket}/runs/run={run}/report.html" in stack.notifications().replace("\\n", "\n")
