"""report.html: one self-contained file with the table, pictures, the distributions of colour, classes and what it all means."""

import base64
import html
import os
import pathlib
import zlib

import numpy as np

from colorizer import color, evaluation, images, rendering

WRITTEN = ("report.json", "per_image.csv", "report.html")
SAMPLE = 12  # pictures of the fixed sample
EXTREMES = 3  # pictures each: best, median, worst
LONGEST = 256  # side of a shown picture, pixels
_SMALL = 64  # pictures up to this side are enlarged without smoothing

_STYLE = (pathlib.Path(__file__).parent / "report.css").read_text(encoding="utf-8")
_SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a68a6", "#8c564b")  # Okabe and Ito 2008, and two


def write(folder, figures, judged, predictors, read, seen=None):
    """Writes report.json, per_image.csv and report.html into a folder.

    figures: evaluation.report(); judged: evaluation.evaluate(); predictors: what was judged; read: names -> iterator of
    images.Example, for the pictures that are shown; seen: as evaluate() had it.
    """
    folder = pathlib.Path(folder)
    evaluation.write(folder / "report.json", figures)
    images.write_text(folder / "per_image.csv", judged.per_image_csv())
    chosen = choose(judged)
    shown = {example.name: _shown(example, predictors, seen) for example in read({name for _, _, names in chosen for name in names})}
    images.write_text(folder / "report.html", page(figures, judged, chosen, shown))


def choose(judged):
    """[(heading, explanation, names)]: a sample that depends on the names alone, then each model's best, median and worst."""
    by_hash = sorted(judged.names, key=lambda name: zlib.crc32(os.fsencode(name)))
    sample = "A random sample, the same in every report on these data."
    chosen = [("Sample", sample, by_hash[: SAMPLE // 2]), ("Sample, continued", sample, by_hash[SAMPLE // 2 : SAMPLE])]
    for row in judged.rows:
        if row.vividness is None or row.lightness != "kept":
            continue
        order = np.argsort(row.values("ciede2000"), kind="stable")
        middle = max(0, (len(order) - EXTREMES) // 2)
        for which, picked in (("Best", order[:EXTREMES]), ("Median", order[middle : middle + EXTREMES]), ("Worst", order[::-1][:EXTREMES])):
            names = [judged.names[number] for number in picked]
            chosen.append((f"{which} of {row.title}", "By CIEDE2000 to the original.", names))
    return chosen


def _shown(example, predictors, seen=None):
    """{column's title: picture as a data URI} of one example, as the table's rows were judged."""
    lab = color.lab_from_rgb(example.rgb[None])
    lightness = lab[..., :1]
    pictures = {"grey": evaluation.constant([0, 0])(lightness), "original": lab}
    for predictor in predictors:
        if predictor.vividness is not None:
            predicted = predictor.lab_of(seen(example)[None] if seen else lightness)
            pictures[evaluation.title(predictor.name, "kept", predictor.vividness)] = rendering.with_lightness(predicted, lightness)
            if predictor.own_lightness:
                pictures[evaluation.title(predictor.name, "predicted", predictor.vividness)] = predicted
    return {title: _data_uri(color.rgb_from_lab(picture)[0]) for title, picture in pictures.items()}


def _data_uri(rgb):
    height, width = rgb.shape[:2]
    scale = min(1, LONGEST / max(height, width))
    if scale < 1:
        small = images.resized(rgb.astype("float32"), max(1, round(height * scale)), max(1, round(width * scale)))
        rgb = np.clip(np.round(small), 0, 255).astype("uint8")
    encoded, kind = images.encoded(rgb, "PNG" if max(height, width) <= _SMALL else "JPEG")
    return f"data:{kind};base64,{base64.b64encode(encoded).decode()}"


# ---- the page ---------------------------------------------------------------------------------------------------------


def page(figures, judged, chosen, shown):
    """The whole of report.html."""
    rows = figures["rows"]
    columns = [key for key in evaluation.COLUMNS if any(key in row for row in rows)]
    models = [row for row in rows if row["vividness"] is not None]
    groups = "".join(_pictures(*group, judged, shown) for group in chosen)
    shown_columns = max((len(pictures) for pictures in shown.values()), default=1)
    sections = [
        ("Figures", _figures(rows + evaluation.published(figures), columns, models)),
        ("Pictures", f'<div class="groups" style="--columns: {shown_columns}">{groups}</div>'),
        ("Colours", _distributions(figures["distributions"])),
    ]
    if figures["classes"]:
        sections.append(("Classes", _classes(figures["classes"], rows)))
    sections.append(("What the columns mean", _glossary(columns)))
    subject = evaluation.subject(figures) + (f", {figures['image_size']} px" if figures["image_size"] else "")
    body = "".join(f'<section id="{_id(name)}"><h2>{name}</h2>{content}</section>' for name, content in sections)
    links = "".join(f'<a href="#{_id(name)}">{name}</a>' for name, _ in sections)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Colorization: {html.escape(subject)}</title><style>{_STYLE}</style></head><body>
<header><h1>Colorization, measured</h1><p>{html.escape(subject)}</p>
<code>{html.escape(figures["command"])}</code><nav>{links}</nav></header>
<main>{body}</main>
<footer>colorizer {figures["version"]}</footer></body></html>
"""


def _id(name):
    return name.lower().replace(" ", "-")


def _row_title(row):
    return evaluation.title(row["name"], row["lightness"], row["vividness"]) if "ci95" in row else row["name"]


def _figures(rows, columns, models):
    first = _row_title(models[0]) if models else None
    heads = "".join(f"<th>{evaluation.COLUMNS[key].heading}{_ARROW[evaluation.COLUMNS[key].better]}</th>" for key in columns)
    lines = []
    for row in rows:
        published = "ci95" not in row
        cells = "".join(_figure(row, key) for key in columns)
        kind = "published" if published else "model" if row.get("vividness") is not None else "trivial"
        lines.append(f'<tr class="{kind}"><th>{html.escape(_row_title(row))}<small>L* {row["lightness"]}</small></th>{cells}</tr>')
    note = "Below each figure its 95&nbsp;% bootstrap interval over the pictures. "
    if models:
        note += (
            f"<b class=up>Better</b> and <b class=down>worse</b> compare with {html.escape(first)}, where the 95&nbsp;% interval of the"
            " <em>paired</em> difference leaves out 0 (point at a figure to read it): two rows can differ for certain while their own"
            " intervals overlap. "
        )
    note += (
        "L* kept: the picture's own lightness is put back, what a user gets. L* predicted (own L): the network's own, what the paper"
        " measured."
    )
    if counted := {row["ssim_n"] for row in rows if "ssim_n" in row}:
        note += f" SSIM is of the {counted.pop():,} pictures of at least 11 pixels on a side."
    if any("ci95" not in row for row in rows):
        note += " In italics: Table 1 of the paper, which does not say whether its MAE is of Lab or of RGB."
    table = f"<p>{note}</p>{_wide(heads, ''.join(lines))}"
    return table + (_differences(rows, columns, heads, first) if models else "")


def _wide(heads, lines):
    return f'<div class="wide"><table class="figures"><thead><tr><th></th>{heads}</tr></thead><tbody>{lines}</tbody></table></div>'


def _differences(rows, columns, heads, first):
    """The intervals of the paired differences, which on the main table only a pointer brings up."""
    lines = ""
    for row in rows:
        if (differences := row.get("ci95_of_difference_to_first_model")) is None:
            continue
        cells = ""
        for key in columns:
            decimals = evaluation.COLUMNS[key].decimals + 1
            cells += "<td>" + (" to ".join(f"{end:+.{decimals}f}" for end in differences[key]) if key in differences else "") + "</td>"
        lines += f"<tr><th>{html.escape(_row_title(row))}</th>{cells}</tr>"
    summary = f"95&nbsp;% intervals of the paired differences to {html.escape(first)}"
    return f"<details><summary>{summary}</summary>{_wide(heads, lines)}</details>"


_ARROW = {"high": ' <i title="high is better">&uarr;</i>', "low": ' <i title="low is better">&darr;</i>', "": ""}


def _figure(row, key):
    if key not in row:
        return "<td></td>"
    column = evaluation.COLUMNS[key]
    text, title, mark = f"{row[key]:.{column.decimals}f}", "", ""
    if interval := row.get("ci95", {}).get(key):
        text += f"<small>{interval[0]:.{column.decimals}f} to {interval[1]:.{column.decimals}f}</small>"
    if difference := row.get("ci95_of_difference_to_first_model", {}).get(key):
        low, high = difference
        title = f' title="difference to the first model: {low:+.{column.decimals + 1}f} to {high:+.{column.decimals + 1}f}"'
        if column.better and (low > 0 or high < 0) and row["name"] != "truth":
            mark = ' class="up"' if (low > 0) == (column.better == "high") else ' class="down"'
    return f"<td{mark}{title}>{text}</td>"


def _pictures(heading, explanation, names, judged, shown):
    names = [name for name in names if name in shown]
    if not names:
        return ""
    numbers = {name: number for number, name in enumerate(judged.names)}
    differences = {row.title: row.values("ciede2000") for row in judged.rows}
    titles = list(shown[names[0]])
    heads = "".join(f"<th>{html.escape(title)}</th>" for title in titles)
    lines = []
    for name in names:
        number = numbers[name]
        label = judged.labels[number]
        cells = ""
        for title in titles:
            caption = f"<small>{differences[title][number]:.1f}</small>" if title in differences else ""
            alt = html.escape(f"{name}: {title}", quote=True)
            cells += f'<td><img src="{shown[name][title]}" alt="{alt}" loading="lazy">{caption}</td>'
        caption = html.escape(name) + (f"<small>{html.escape(label)}</small>" if label else "")
        lines.append(f"<tr>{cells}<th>{caption}</th></tr>")
    table = f'<table class="pictures"><thead><tr>{heads}<th></th></tr></thead><tbody>{"".join(lines)}</tbody></table>'
    return f'<div><h3>{html.escape(heading)}</h3><p>{explanation} The number is CIEDE2000.</p><div class="wide">{table}</div></div>'


def _distributions(distributions):
    drawn = {title: its for title, its in distributions.items() if title not in ("grey", "median")}  # each of those is one point
    legend = "".join(f'<span><i style="background:{_colour(title, drawn)}"></i>{html.escape(title)}</span>' for title in drawn)
    most_chroma = evaluation.CHROMA_BINS * evaluation.CHROMA_UNIT
    chroma_ticks = [(chroma / most_chroma, chroma) for chroma in range(0, most_chroma + 1, 20)]
    hue_ticks = [(degrees / 360, degrees) for degrees in range(0, 361, 60)]
    hue_label = f"hue of pixels of chroma {evaluation.COLOURED:g} and more, degrees"
    charts = _chart({title: its["chroma"] for title, its in drawn.items()}, "chroma C*ab", chroma_ticks)
    charts += _chart({title: its["hue"] for title, its in drawn.items()}, hue_label, hue_ticks, hues=True)
    return (
        "<p>Shares of all pixels. A sepia model has its pixels at low chroma and about one hue (60 to 90 degrees: brown and yellow);"
        " a model that colours like nature lies on the grey area, the truth.</p>"
        f'<p class="legend">{legend}</p><div class="charts">{charts}</div>'
    )


def _chart(series, label, ticks, hues=False):
    """Shares per bin as lines over the truth's area. ticks: [(place from 0 to 1, text)]."""
    left, right, top, bottom = 44, 468, 12, 216  # of the plot, in a picture of 480 x 260
    most = max(max(shares) for shares in series.values()) or 1

    def x(place):
        return f"{left + place * (right - left):.1f}"

    def y(share):
        return f"{bottom - share / most * (bottom - top):.1f}"

    drawn = ""
    for share in (0, most / 2, most):
        drawn += f'<line x1="{left}" x2="{right}" y1="{y(share)}" y2="{y(share)}"/>'
        drawn += f'<text x="{left - 6}" y="{float(y(share)) + 4}" text-anchor="end">{100 * share:.3g}&#8201;%</text>'
    for place, text in ticks:
        drawn += f'<text x="{x(place)}" y="{bottom + 24}" text-anchor="middle">{text}</text>'
    for number in range(evaluation.HUE_BINS * hues):
        place, width = x(number / evaluation.HUE_BINS), (right - left) / evaluation.HUE_BINS + 0.5
        drawn += f'<rect x="{place}" y="{bottom + 2}" width="{width:.1f}" height="6" fill="{_hue_swatch(number)}"/>'
    for title, shares in series.items():
        line = "M" + " L".join(f"{x((number + 0.5) / len(shares))} {y(share)}" for number, share in enumerate(shares))
        if title == "truth":
            drawn += f'<path class="truth" d="{line} V{bottom} H{x(0.5 / len(shares))} Z"/>'
        else:
            drawn += f'<path class="line" stroke="{_colour(title, series)}" d="{line}"><title>{html.escape(title)}</title></path>'
    drawn += f'<text x="{x(0.5)}" y="256" text-anchor="middle">{label}</text>'
    return f'<svg viewBox="0 0 480 260" role="img" aria-label="{label}">{drawn}</svg>'


def _hue_swatch(number):
    angle = np.radians((number + 0.5) * 360 / evaluation.HUE_BINS)
    rgb = color.rgb_from_lab(np.array([65, 50 * np.cos(angle), 50 * np.sin(angle)], "float32"))
    return f"rgb{tuple(map(int, rgb))}"


def _colour(title, series):
    """Of a row's line; the truth, which comes first, is an area."""
    return "var(--truth)" if title == "truth" else _SERIES[(list(series).index(title) - 1) % len(_SERIES)]


def _classes(classes, rows):
    titles = [_row_title(row) for row in rows]
    figures = [key for key in ("ciede2000", "colorfulness", "semantic_accuracy") if key in next(iter(classes.values()))["rows"][titles[0]]]
    tables = ""
    for key in figures:
        shown = titles if key != "ciede2000" else titles[1:]  # of the truth it is 0
        heads = "".join(f"<th>{html.escape(title)}</th>" for title in shown)
        lines = "".join(
            f"<tr><th>{html.escape(label)}<small>{its['n']:,}</small></th>"
            + "".join(f"<td>{its['rows'][title][key]:.{evaluation.COLUMNS[key].decimals}f}</td>" for title in shown)
            + "</tr>"
            for label, its in classes.items()
        )
        tables += f"<h3>{evaluation.COLUMNS[key].heading}{_ARROW[evaluation.COLUMNS[key].better]}</h3>" + _wide(heads, lines)
    return f"<p>Means over the pictures of a class: a model that paints every car red is vivid there and wrong.</p>{tables}"


def _glossary(columns):
    better = {"high": "High is better.", "low": "Low is better.", "": ""}
    items = "".join(
        f"<dt>{column.heading}</dt><dd>{html.escape(column.meaning)} {better[column.better]}</dd>"
        for column in (evaluation.COLUMNS[key] for key in columns)
    )
    return (
        f"<dl>{items}</dl><p>Every figure is the plain mean over the pictures, whatever their size, unless it says pooled or all"
        f" pictures. Intervals: {evaluation.RESAMPLES:,} Poisson bootstrap resamples of the pictures, the same for every row. The bootstrap"
        " shifts the divergence and the Frechet distance upwards, so on few pictures an interval may lie above its figure.</p>"
    )
