"""What the built pages still need before they are served: to weigh little, and to be found and shared well.

- The theme's icon script, half a megabyte for some twenty icons, goes; its fonts keep the icons in use.
- The style sheets are one file, and scripts wait until the page is painted. Both lose what is for those
  who write them, if it is ours: a library's scripts stay as they were published.
- What draws the figures is one file for all pages.
- What only a search needs is loaded by the page of the search alone; scripts that nothing calls are not.
- Pictures below the first are loaded when a reader comes near them.
- Every page has a title, a description and a card for those who share it; the site has a map, a page for
  addresses that do not exist, and a start page that sends on.
- The keyboard and the reading voice meet the chapter before the list of all chapters, and every part of a
  page lies in a landmark.
- In print a page has its title above, and the light colours, whichever a reader has on the screen.
"""

from __future__ import annotations

import hashlib
import html
import io
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import rcssmin
import yaml
from fontTools import subset
from fontTools.ttLib import TTFont
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
ICON_RULE = re.compile(r"((?:\.fa-[a-z0-9-]+:before,?)+)\{content:\"(?:\\([0-9a-f]{4})|(.))\"\}")
PRIVATE = re.compile(r"\\(f[0-9a-f]{3})\b|([\uf000-\uf8ff])")
NOT_NEEDED = re.compile(
    r"\s*<script[^>]*(?:fontawesome\.js|sphinx-thebe\.js)[^>]*></script>"
    r"|\s*<script>const THEBE_JS_URL.*?</script>"
    r"|\s*<link[^>]*sphinx-thebe\.css[^>]*/>"
    r"|\s*<script>DOCUMENTATION_OPTIONS\.pagename = [^<]*</script>"  # for a choice of versions
    r"|\s*<!-- So that users can add custom icons -->",
    re.S,
)
OF_THE_SEARCH = re.compile(
    r"\s*<script src=\"[^\"]*(?:searchtools|language_data|searchindex)\.js[^\"]*\"></script>"
)


# --------------------------------------------------------------------------------------------------- icons


def icons_used(texts: Iterable[str]) -> set[str]:
    """The classes of the icons that pages and scripts name."""
    return {name for text in texts for name in re.findall(r"\bfa-[a-z0-9-]+", text)}


def without_icons(css: str, keep: set[str]) -> tuple[str, set[int]]:
    """A style sheet without the icons that nobody uses, and the letters of those that it keeps."""
    letters: set[int] = set()

    def rule(match: re.Match[str]) -> str:
        if not keep & set(re.findall(r"fa-[a-z0-9-]+", match[1])):
            return ""
        letters.add(int(match[2], 16) if match[2] else ord(match[3]))
        return match[0]

    kept = ICON_RULE.sub(rule, css)
    for code, letter in PRIVATE.findall(ICON_RULE.sub("", css)):
        letters.add(int(code, 16) if code else ord(letter))
    return kept, letters


def cut_font(font: Path, letters: set[int]) -> bytes:
    """A font with these letters alone, as woff2."""
    options = subset.Options()
    options.flavor = "woff2"
    options.notdef_outline = True
    loaded = TTFont(font)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=letters)
    cutter.subset(loaded)
    out = io.BytesIO()
    subset.save_font(loaded, out, options)
    return out.getvalue()


def slim_icons(site: Path, pages: list[Path]) -> None:
    """Keep of the theme's icons what the site uses."""
    static = site / "_static"
    scripts = [p for p in static.rglob("*.js") if p.name != "fontawesome.js"]
    keep = icons_used(p.read_text(encoding="utf-8", errors="ignore") for p in (*pages, *scripts))
    letters: set[int] = set()
    for sheet in static.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        kept, its = without_icons(text, keep)
        letters |= its
        if kept != text:
            sheet.write_text(kept, encoding="utf-8")
    for font in static.rglob("webfonts/*.ttf"):
        font.with_suffix(".woff2").write_bytes(cut_font(font, letters))
        font.unlink()
    (static / "scripts" / "fontawesome.js").unlink(missing_ok=True)


# ------------------------------------------------------------------------------------------------ pictures


def small_picture(data: bytes) -> bytes:
    """A plot with 128 colours, as many as one has with its smoothed edges; the picture itself if it is not
    smaller so, or is transparent."""
    picture = Image.open(io.BytesIO(data))
    if picture.mode == "P" or (picture.mode == "RGBA" and picture.getextrema()[3][0] < 255):
        return data
    out = io.BytesIO()
    picture = picture.convert("RGB").quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    picture.save(out, "PNG", optimize=True)
    return min(data, out.getvalue(), key=len)


# --------------------------------------------------------------------------------------------------- pages


def words_of(fragment: str) -> str:
    """A piece of HTML as plain text."""
    text = re.sub(r"<(script|style|math)\b.*?</\1>|<[^>]+>", " ", fragment, flags=re.S)
    return re.sub(r"\s+([.,;:)])", r"\1", " ".join(html.unescape(text).split()))


def description(article: str) -> str:
    """The first sentences of a page, up to about 160 letters."""
    for match in re.finditer(r"<p>(.*?)</p>", article, re.S):
        text = words_of(match[1])
        if len(text) > 40 and "<math" not in match[1]:
            if len(text) <= 160:
                return text
            sentence = text[:161].rpartition(". ")[0]
            return sentence + "." if len(sentence) > 40 else text[:157].rpartition(" ")[0] + " …"
    return ""


def lazy_pictures(text: str) -> str:
    """Pictures but the first are loaded when a reader comes near."""
    head, first, rest = text.partition("<img ")
    return head + first + re.sub(r"<img (?![^>]*loading=)", '<img loading="lazy" decoding="async" ', rest)


def with_head(text: str, name: str, config: dict) -> str:
    """A page with its title, description and card."""
    book, base = config["title"], config["html"]["baseurl"]
    title = html.unescape(re.search(r"<title>(.*?)</title>", text, re.S)[1]).strip()  # type: ignore[index]
    own = " ".join(title.split(" — ")[0].split())
    title = book if own in (book, "") else f"{own} — {book}"
    article = text.partition('<article class="bd-article">')[2].partition("</article>")[0]
    about = description(article) or book
    picture = re.search(r'<img [^>]*src="(?:\.\./)*(_images/[^"]+\.png)"', article)
    tags = {
        "og:type": "article",
        "og:site_name": book,
        "og:title": own or book,
        "og:description": about,
        "og:url": base + name,
        "og:image": base + (picture[1] if picture else "_static/cover.png"),
    }
    lines = [f'<meta name="description" content="{html.escape(about)}" />']
    lines += [f'<meta property="{key}" content="{html.escape(value)}" />' for key, value in tags.items()]
    lines.append('<meta name="twitter:card" content="summary_large_image" />')
    text = re.sub(
        r"<title>.*?</title>", lambda _: f"<title>{html.escape(title)}</title>", text, count=1, flags=re.S
    )
    seen_viewport = 0

    def once(match: re.Match[str]) -> str:
        nonlocal seen_viewport
        seen_viewport += 1
        return match[0] if seen_viewport == 1 else ""

    text = re.sub(r'<meta name="viewport"[^>]*>', once, text)
    return text.replace("</title>", "</title>\n    " + "\n    ".join(lines), 1)


def content_first(text: str) -> str:
    """A page whose list of chapters stands behind its text, where it costs no key before the text. It is seen
    on the left all the same, and a second link for skipping leads there."""
    before, start, rest = text.partition('<dialog id="pst-primary-sidebar-modal">')
    sidebar, main, rest = rest.partition("<main ")
    inside, end, after = rest.partition("</main>")
    if not (start and main and end):
        return text
    sidebar = sidebar.replace(
        '<div id="pst-primary-sidebar" ',
        '<div id="pst-primary-sidebar" role="navigation" aria-label="Book" tabindex="-1" ',
        1,
    )
    before = before.replace(
        "Skip to main content</a>",
        'Skip to main content</a> <a class="gd-skip" href="#pst-primary-sidebar">Skip to the chapters</a>',
        1,
    )
    return before + main + inside + end + "\n      " + start + sidebar.rstrip() + after


def with_roles(text: str) -> str:
    """A page whose entries of the bibliography have the role that today's readers know."""
    return text.replace(' role="doc-biblioentry"', ' role="listitem"')


def with_late_scripts(text: str) -> str:
    """A page whose scripts wait until it is painted, but for the one that the inline scripts need."""
    return re.sub(
        r'<script (?=[^>]*src="(?:\.\./)*_static/)(?![^>]*(?:\bdefer\b|documentation_options))',
        r"<script defer ",
        text,
    )


SHEET = re.compile(
    r'[ \t]*<link (?=[^>]*rel="stylesheet")[^>]*href="(?P<up>(?:\.\./)*)(?P<path>_static/[^"?]+)[^>]*>\n?'
)
EARLY = re.compile(r'[ \t]*<link rel="preload" as="script"[^>]*>\n?')
IMPORT = re.compile(r"@import\s*[\"']([^\"']+)[\"']\s*;")
ASKED = re.compile(r"url\(([\"']?)(?!data:|#|/|\w+:)([^)\"']+)\1\)")


def flat_sheet(path: str, site: Path) -> str:
    """A style sheet with those that it imports in their places, for a file in `_static`."""
    folder = os.path.dirname(path)

    def imported(match: re.Match[str]) -> str:
        return flat_sheet(os.path.normpath(os.path.join(folder, match[1])), site)

    def moved(match: re.Match[str]) -> str:
        return f"url({os.path.relpath(os.path.join(folder, match[2]), '_static')})"

    css = ASKED.sub(moved, (site / path).read_text(encoding="utf-8").lstrip("\ufeff"))
    return IMPORT.sub(imported, re.sub(r'@charset "[^"]*";', "", css))


def one_sheet(text: str, site: Path) -> str:
    """A page whose style sheets are one file, made here if it is not there yet: on a slow line each costs a
    way to the server and back before anything is painted. The theme's scripts no longer push in before it."""
    links = list(SHEET.finditer(text))
    if not links:
        return text

    sheets = "\n".join(flat_sheet(link["path"], site) for link in links)
    whole = rcssmin.cssmin(sheets, keep_bang_comments=True)  # in those are licences
    name = f"_static/site.{hashlib.sha256(whole.encode()).hexdigest()[:12]}.css"
    (site / name).write_text(whole, encoding="utf-8")
    first, up = links[0].start(), links[0]["up"]
    link = f'<link rel="stylesheet" href="{up}{name}" />\n'
    return EARLY.sub("", text[:first] + link + SHEET.sub("", text[first:]))


def bare(code: str) -> str:
    """A script of ours without the lines that are comments, and without indentation: in our style no string
    goes over a line's end. (A minifier was tried that took spaces out of a template within a template.)"""
    code = re.sub(r"^[ \t]*/\*\*.*?\*/[ \t]*\n", "", code, flags=re.S | re.M)
    return re.sub(r"^[ \t]+", "", re.sub(r"^[ \t]*//.*\n", "", code, flags=re.M), flags=re.M)


MODULE = ROOT / "gdcourse" / "explore" / "explore.js"


def shared_module(code: str) -> tuple[str, str]:
    """The name and the text of a file that does what a figure's inline module does. It is a script of the old
    kind, since from a file a browser runs no other."""
    plain = re.sub(r"^export (?=(?:async )?function|const)", "", code, flags=re.M)
    script = f'(() => {{\n"use strict";\n{bare(plain)}}})();\n'
    return f"_static/figures.{hashlib.sha256(script.encode()).hexdigest()[:12]}.js", script


def one_module(text: str, up: str, code: str) -> str:
    """A page whose figures share one file with all other pages, asked for before the page has arrived. (In a
    notebook each brings its own.)"""
    inline = f'<script type="module" async>{code}</script>'
    if inline not in text:
        return text
    path = up + shared_module(code)[0]
    text = text.replace(inline, f'<script async src="{path}"></script>')
    return text.replace("</head>", f'<link rel="preload" as="script" href="{path}" />\n  </head>', 1)


def with_running_title(text: str) -> str:
    """A page that says at the head of each printed sheet what it is."""
    own = re.search(r"<title>(.*?)</title>", text, re.S)[1]  # type: ignore[index]
    shown = re.sub(r'["\\<]', "", html.unescape(own).partition(" — ")[0])
    rule = f'@page {{ @top-left {{ content: "{shown}"; }} }} @page :first {{ @top-left {{ content: ""; }} }}'
    return text.replace("</head>", f"<style>{rule}</style>\n  </head>", 1)


THEMED = re.compile(
    r"(?<=[{}/;])(?P<selector>[^{}/;@]*\[data-theme=\"?(?P<theme>light|dark)\"?\][^{}@;]*)\{[^{}]*\}"
)


def printed_light(css: str) -> str:
    """A style sheet whose dark theme is for the screen alone: on paper the light one is in its place."""

    def one(match: re.Match[str]) -> str:
        if match["theme"] == "dark":
            return f"@media screen{{{match[0]}}}"
        return f"{match[0]}@media print{{{re.sub(r'data-theme=.?light.?]', 'data-theme=dark]', match[0])}}}"

    return THEMED.sub(one, "}" + css)[1:]


def finished(text: str, name: str, config: dict) -> str:
    """A page as it is served."""
    text = NOT_NEEDED.sub("", text)
    if name != "search.html":
        text = OF_THE_SEARCH.sub("", text)
    text = text.replace('<main id="main-content"', '<main tabindex="-1" id="main-content"', 1)
    if name != "search.html":  # whose own scripts ask for the theme's
        text = with_late_scripts(text)
    return with_running_title(with_roles(content_first(lazy_pictures(with_head(text, name, config)))))


# ---------------------------------------------------------------------------------------------------- site

START = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>{title}</title>
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta http-equiv="Refresh" content="0; url={first}" />
    <link rel="canonical" href="{base}{first}" />
  </head>
  <body><p><a href="{first}">{title}</a></p></body>
</html>
"""
LOST = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>Not found — {title}</title>
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="robots" content="noindex" />
    <style>
      body {{ font: 1.1rem/1.6 system-ui, sans-serif; margin: 15vh auto; max-width: 34rem; padding: 0 1rem; }}
      @media (prefers-color-scheme: dark) {{
        body {{ background: #14181e; color: #d8dbe0; }}
        a {{ color: #4fa8f0; }}
      }}
    </style>
  </head>
  <body>
    <main>
      <h1>No minimum here</h1>
      <p>This address leads to no page of the book. It may have moved.</p>
      <p><a href="{path}{first}">To the cover</a> · <a href="{path}search.html">Search</a></p>
    </main>
  </body>
</html>
"""


def finish(site: Path) -> None:
    """Finish the pages of a site, in place."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    base, first = config["html"]["baseurl"], f"{toc['root']}.html"
    shutil.copy(ROOT / "docs" / "cover.png", site / "_static" / "cover.png")
    pages = sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)
    slim_icons(site, pages)
    for sheet in (site / "_static").rglob("*.css"):
        sheet.write_text(printed_light(sheet.read_text(encoding="utf-8")), encoding="utf-8")
    for picture in (site / "_images").glob("*.png"):
        picture.write_bytes(small_picture(picture.read_bytes()))
    code = MODULE.read_text(encoding="utf-8")
    module, script = shared_module(code)
    (site / module).write_text(script, encoding="utf-8")
    for source in (ROOT / "book" / "_static").glob("*.js"):
        small = bare(source.read_text(encoding="utf-8"))
        (site / "_static" / source.name).write_text(small, encoding="utf-8")
    for page in pages:
        name = page.relative_to(site).as_posix()
        if name != "index.html":
            text = one_sheet(finished(page.read_text(encoding="utf-8"), name, config), site)
            page.write_text(one_module(text, "../" * name.count("/"), code), encoding="utf-8")
    own = {"title": html.escape(config["title"]), "first": first, "base": base, "path": urlsplit(base).path}
    (site / "index.html").write_text(START.format(**own), encoding="utf-8")
    (site / "404.html").write_text(LOST.format(**own), encoding="utf-8")
    told = [p.relative_to(site).as_posix() for p in pages if p.parent.name == "book"]
    told.append("slides/index.html")  # which scripts/slides.py makes of these pages
    addresses = "".join(f"  <url><loc>{base}{name}</loc></url>\n" for name in told)
    (site / "sitemap.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{addresses}</urlset>\n',
        encoding="utf-8",
    )
    (site / "robots.txt").write_text(
        f"User-agent: *\nAllow: /\nSitemap: {base}sitemap.xml\n", encoding="utf-8"
    )
