"""Every table of a run, computed anew from its annotated and landed rows: plain Python, fractions, no code of ours."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from itertools import combinations
from typing import Any

Row = dict[str, Any]
SEVERITY = ["not_assessed", "not_listed", "introduced", "established", "invasive", "widespread_invasive"]
GROUPS = {
    "introduced": {"introduced", "established"},
    "invasive": {"invasive", "widespread_invasive"},
    "nonnative": {"introduced", "established", "invasive", "widespread_invasive"},
    "not_listed": {"not_listed"},
}


def key(text: str | None) -> str | None:
    return None if text in (None, "", "0") else text


def by_bytes(text: str | None) -> tuple[bool, bytes]:
    """Sorts by bytes, nulls last."""
    return (text is None, (text or "").encode())


def label(texts: Iterable[str | None]) -> str | None:
    """The most frequent text, then the lowest by bytes; null and empty are none."""
    counted = Counter(text for text in texts if text)
    return min(counted, key=lambda text: (-counted[text], text.encode()), default=None)


def year(row: Row, run_year: int) -> int | None:
    if row["year"] is not None and 1600 <= row["year"] <= run_year:
        return int(row["year"])
    dates = [re.fullmatch(r"(\d{4})(-\d\d){0,2}(T.*)?", date) for date in (row["eventdate"] or "").split("/")]
    years = {int(date[1]) for date in dates if date}
    if all(dates) and len(years) == 1 and 1600 <= min(years) <= run_year:
        return years.pop()
    assert not row["eventdate"] or re.fullmatch(r"[0-9T:.Z/-]+", row["eventdate"]), row["eventdate"]
    return None


EVIDENCE = [
    "gbifid", "eventdate", "year", "decimallatitude", "decimallongitude", "coordinateuncertaintyinmeters", "datasetkey",
    "basisofrecord",
]  # fmt: skip


def start(row: Row, run_year: int) -> date | None:
    """The earliest day that a record allows: the start of eventdate, else the first day of its year."""
    began = re.match(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?(?=[T/ ]|$)", row["eventdate"] or "")
    for found in (began and [int(part or 1) for part in began.groups()], row["year"] and [row["year"], 1, 1]):
        if found and 1600 <= found[0] <= run_year:
            return date(*found)
    return None


def evidence_order(row: Row, run_year: int) -> tuple[date, float, int]:
    """The earliest, then the surest (0 is no uncertainty), then the lowest number is the best evidence."""
    uncertainty = row["coordinateuncertaintyinmeters"]
    return start(row, run_year) or date.max, uncertainty if uncertainty and uncertainty > 0 else math.inf, int(row["gbifid"])


def years(rows: list[Row], run_year: int) -> Row:
    dated = [found for row in rows if (found := year(row, run_year)) is not None]
    return {
        "first_year": min(dated, default=None),
        "last_year": max(dated, default=None),
        "occ_undated": len(rows) - len(dated),
    }


def grouped(rows: list[Row], *names: str) -> list[tuple[tuple[str | None, ...], list[Row]]]:
    """Rows by columns; of the keys, empty and 0 are none. Sorted by bytes, nulls last."""
    groups: dict[tuple[str | None, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(key(row[name]) if name.endswith("key") else row[name] for name in names)].append(row)
    return sorted(groups.items(), key=lambda group: [by_bytes(text) for text in group[0]])


def summary_tables(name: str, by: list[str], rows: list[Row], run_year: int, min_count: int, sigma: list[str]) -> dict[str, list[Row]]:
    """The tables of a summary: rows as `to_pylist` of Arrow gives them."""
    region = by[0]
    labels = {value: {place: label(row[place] for row in of) for place in by[1:]} for (value,), of in grouped(rows, region)}
    species_names = {value: label(row["species"] for row in of) for (value,), of in grouped(rows, "specieskey")}
    taxon_names = {value: label(row["scientificname"] for row in of) for (value,), of in grouped(rows, "taxonkey")}
    # A name belongs to a key; without a key there is none.
    species_names[None] = taxon_names[None] = None

    def place(value: str | None) -> Row:
        # Labels are those of a region: outside there is none.
        return {region: value, **(labels[value] if value is not None else dict.fromkeys(by[1:]))}

    def figures(of: list[Row]) -> Row:
        return {
            "occ_count": len(of),
            "species_count": len({key(row["specieskey"]) for row in of} - {None}),
            "taxon_count": len({key(row["taxonkey"]) for row in of} - {None}),
            "occ_without_species": sum(key(row["specieskey"]) is None for row in of),
        }

    tables: dict[str, list[Row]] = {
        f"{name}_counts": [{**place(value), **figures(of)} for (value,), of in grouped(rows, region)],
        f"{name}_x_riis_counts": [
            {**place(value), "riis_assessment": status, **figures(of)}
            for (value, status), of in grouped(rows, region, "riis_assessment")
        ],
        f"{name}_x_species_list": [
            {
                **place(value), "specieskey": species, "species": species_names[species],
                "riis_assessment": status, "occ_count": len(of), **years(of, run_year),
            }
            for (value, species, status), of in grouped(rows, region, "specieskey", "riis_assessment")
        ],
        f"{name}_x_taxon_list": [
            {
                **place(value), "taxonkey": taxon, "scientificname": taxon_names[taxon],
                "riis_assessment": status, "occ_count": len(of), **years(of, run_year),
            }
            for (value, taxon, status), of in grouped(rows, region, "taxonkey", "riis_assessment")
        ],
        f"{name}_riis_summary": [{**place(value), **riis_summary(of)} for (value,), of in grouped(rows, region)],
    }  # fmt: skip
    inside = [row for row in rows if row[region] is not None]
    tables[f"{name}_x_earliest_dated"] = [
        {
            **place(value), "specieskey": species, "species": species_names[species], "event_start": start(best, run_year),
            "issue": ";".join(best["issue"]) if best["issue"] else None, **{column: best[column] for column in EVIDENCE},
        }
        for (value, species), of in grouped(inside, region, "specieskey")
        if species is not None
        for best in [min(of, key=lambda row: evidence_order(row, run_year))]
    ]  # fmt: skip
    return tables | matrix_tables(name, region, place, species_names, rows, inside, min_count, sigma)


def riis_summary(of: list[Row]) -> Row:
    found: Row = {}
    species = [max((row["riis_assessment"] for row in mine), key=SEVERITY.index) for (value,), mine in grouped(of, "specieskey") if value]
    for prefix, statuses in [("species", species), ("occ", [row["riis_assessment"] for row in of])]:
        assessed = sum(status != "not_assessed" for status in statuses)
        counts = {group: sum(status in members for status in statuses) for group, members in GROUPS.items()}
        found[f"{prefix}_assessed"] = assessed
        found |= {f"{prefix}_{group}": count for group, count in counts.items()}
        found |= {f"pct_{prefix}_{group}": Fraction(100 * count, assessed) if assessed else None for group, count in counts.items()}
    return found


def matrix_tables(
    name: str, region: str, place: Any, species_names: dict[str | None, str | None], rows: list[Row], inside: list[Row],
    min_count: int, sigma: list[str],
) -> dict[str, list[Row]]:
    """The site × species matrix and its statistics, by the formulas in their plainest form."""
    cells = {pair: len(of) for pair, of in grouped(inside, region, "specieskey") if pair[1]}
    x = {pair: count for pair, count in cells.items() if count >= min_count}
    sites = sorted({site for site, _ in x}, key=by_bytes)
    species = sorted({one for _, one in x}, key=by_bytes)
    n, s = len(sites), len(species)
    alpha = {site: sum(at == site for at, _ in x) for site in sites}
    omega = {one: sum(of == one for _, of in x) for one in species}
    phi = {site: sum(omega[one] for one in species if (site, one) in x) for site in sites}
    psi = {one: sum(alpha[site] for site in sites if (site, one) in x) for one in species}
    proportions = sum(Fraction(count, n) for count in omega.values())
    where = {one: {site for site in sites if (site, one) in x} for one in species}
    pairs = [(omega[a] - len(where[a] & where[b])) * (omega[b] - len(where[a] & where[b])) for a, b in combinations(species, 2)]
    legendre = sum(omega.values()) - sum(Fraction(count**2, n) for count in omega.values()) if n else None
    all_sites = {row[region] for row in inside}
    all_species = {key(row["specieskey"]) for row in inside} - {None}
    diversity: Row = {
        "site_count": n, "species_count": s, "presence_count": len(x), "min_count": min_count,
        "sites_dropped": len(all_sites) - n, "species_dropped": len(all_species) - s, "occ_count": sum(x.values()),
        "occ_below_min_count": sum(cells.values()) - sum(x.values()),
        "occ_without_species": sum(key(row["specieskey"]) is None for row in inside),
        "occ_outside": len(rows) - len(inside), "gamma": s,
        "whittaker_beta": s / proportions if proportions else None,
        "lande_beta": s - proportions if n else None,
        "legendre_beta": legendre,
        "legendre_bd": legendre / (n - 1) if n > 1 and legendre is not None else None,
        "schluter_sites_variance_ratio": variance_ratio(list(alpha), s, lambda site: [int((site, one) in x) for one in species]),
        "schluter_species_variance_ratio": variance_ratio(list(omega), n, lambda one: [int((site, one) in x) for site in sites]),
        "c_score": Fraction(sum(pairs), len(pairs)) if pairs else None,
    }  # fmt: skip
    covariances: dict[str, list[Row]] = {}
    for axis, column, lines, across in [("sites", region, alpha, s), ("species", "specieskey", omega, n)]:
        if axis in sigma:
            members = {line: {pair[axis == "sites"] for pair in x if pair[axis != "sites"] == line} for line in lines}
            covariances[f"{name}_sigma_{axis}"] = [
                {
                    f"{column}_1": a, f"{column}_2": b,
                    "sigma": Fraction(len(members[a] & members[b]), across) - Fraction(lines[a] * lines[b], across**2),
                }
                for a in lines for b in lines
            ]  # fmt: skip
    return covariances | {
        f"{name}_x_species": [
            {**place(site), "count": alpha[site], "total": sum(count for (at, _), count in x.items() if at == site)} for site in sites
        ],
        f"species_x_{name}": [
            {
                "specieskey": one, "species": species_names[one], "count": omega[one],
                "total": sum(count for (_, of), count in x.items() if of == one),
            }
            for one in species
        ],
        f"{name}_site_statistics": [
            {
                **place(site), "alpha": alpha[site], "alpha_proportional": Fraction(alpha[site], s), "phi": phi[site],
                "phi_average_proportional": Fraction(phi[site], n * alpha[site]), "beta": Fraction(s, alpha[site]),
            }
            for site in sites
        ],
        f"{name}_species_statistics": [
            {
                "specieskey": one, "species": species_names[one], "omega": omega[one],
                "omega_proportional": Fraction(omega[one], n), "psi": psi[one],
                "psi_average_proportional": Fraction(psi[one], s * omega[one]),
            }
            for one in species
        ],
        f"{name}_diversity": [diversity],
        f"{name}_matrix": [
            {region: site, "specieskey": one, "occ_count": x[site, one]} for site in sites for one in species if (site, one) in x
        ],
    }  # fmt: skip


def variance_ratio(lines: list[Any], length: int, line: Any) -> Fraction | None:
    """Sum over trace of the covariances: the variance of the sum of the lines over the sum of their variances."""

    def variance(values: list[int]) -> Fraction:
        return Fraction(sum(value**2 for value in values), length) - Fraction(sum(values), length) ** 2

    if not lines:
        return None
    vectors = [line(one) for one in lines]
    trace = sum((variance(vector) for vector in vectors), Fraction(0))
    return variance([sum(column) for column in zip(*vectors, strict=True)]) / trace if trace else None


def riis_matches(rows: list[Row], register: list[Row]) -> list[Row]:
    names = {row["occurrenceID"]: row["scientificName"] for row in register}
    columns = {"accepted": "acceptedtaxonkey", "taxon": "taxonkey", "species": "specieskey"}
    groups: dict[tuple[str | None, ...], list[Row]] = defaultdict(list)
    for row in rows:
        if row["riis_occurrence_id"] is not None:
            name = row["acceptedscientificname"] or row["scientificname"]
            matched = row["riis_matched_key"]
            row_id = row["riis_occurrence_id"]
            groups[row_id, names[row_id], name, row[columns[matched]], matched].append(row)
    return [
        {
            "riis_occurrence_id": group[0], "riis_scientificname": group[1], "acceptedscientificname": group[2],
            "key": group[3], "riis_matched_key": group[4], "records": len(of),
            "species": len({key(row["specieskey"]) for row in of} - {None}),
        }
        for group, of in sorted(groups.items(), key=lambda group: [by_bytes(text) for text in group[0]])
    ]  # fmt: skip


def dataset_counts(landed: list[Row], annotated: list[Row], run_year: int) -> list[Row]:
    columns = ("datasetkey", "publishingorgkey", "license")
    groups: dict[tuple[str | None, ...], tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for place, rows in enumerate((landed, annotated)):
        for row in rows:
            groups[tuple(row[column] for column in columns)][place].append(row)
    found = []
    for group, (read, kept) in sorted(groups.items(), key=lambda group: [by_bytes(text) for text in group[0]]):
        span = years(kept, run_year)
        figures = {"read": len(read), "annotated": len(kept), "first_year": span["first_year"], "last_year": span["last_year"]}
        found.append({**dict(zip(columns, group, strict=True)), **figures})
    return found


def differences(found: list[Row], expected: list[Row]) -> list[str]:
    """What differs, row for row; fractions to a relative 1e-12."""

    def same(a: Any, b: Any) -> bool:
        if isinstance(b, Fraction) and a is not None:
            return abs(Fraction(a) - b) <= abs(b) * Fraction(1, 10**12)
        return bool(a == b)

    if len(found) != len(expected):
        return [f"{len(found)} rows, expected {len(expected)}"]
    wrong = []
    for number, (a, b) in enumerate(zip(found, expected, strict=True)):
        if list(a) != list(b) and set(a) != set(b):
            wrong.append(f"row {number}: columns {sorted(set(a) ^ set(b))}")
        wrong += [f"row {number}: {name} is {a[name]!r}, expected {b[name]!r}" for name in b if name in a and not same(a[name], b[name])]
    return wrong
