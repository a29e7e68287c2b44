"""The colours of the design as one table. Pure; a test recomputes every contrast from it."""

from __future__ import annotations

from typing import Literal

Scheme = Literal["light", "dark", "contrast-light", "contrast-dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark", "contrast-light", "contrast-dark")

_TABLE = """
window       #F7F8FA #191B1F #FFFFFF #000000
surface      #FFFFFF #212429 #FFFFFF #000000
sunken       #EDEFF3 #15171A #FFFFFF #000000
hover        #E6E9EE #2C3037 #E6E6E6 #1A1A1A
line         #E1E4EA #2E3239 #000000 #FFFFFF
edge         #C9CED7 #3F444D #000000 #FFFFFF
control      #868D99 #7D8490 #000000 #FFFFFF
meter        #E3E6EC #343941 #D0D0D0 #333333
grid         #E9ECF0 #2A2D33 #B5B5B5 #4D4D4D
text1        #16181D #F1F2F4 #000000 #FFFFFF
text2        #4A515E #B9BEC8 #000000 #FFFFFF
text3        #626975 #969CA8 #2B2B2B #E0E0E0
disabled     #A4AAB5 #5F6570 #6B6B6B #9E9E9E
accent       #1F62D0 #7FAEFF #0B3FA8 #7CC7FF
accentFill   #1F62D0 #2F6BE0 #0B3FA8 #7CC7FF
onAccent     #FFFFFF #FFFFFF #FFFFFF #000000
accentSoft   #E7EFFC #202E49 #DCE8FF #0B2C4A
local        #0A7F6A #2BA888 #00594A #3DDBB0
private      #5B3FC0 #9D8CFA #45289E #B9A8FF
cloud        #C8640A #FFB65C #934300 #FFC46B
ok           #167343 #56C98D #00572B #6BE39E
warn         #8A5A00 #F0C25A #6A4300 #FFE066
warnFill     #B37400 #F0C25A #8A5600 #FFE066
warnSoft     #FFF5DC #362D18 #FFFFFF #000000
danger       #C0263A #FF8A94 #A00018 #FF9AA2
dangerSoft   #FDECEE #3D2025 #FFFFFF #000000
"""

_ROWS = [line.split() for line in _TABLE.strip().splitlines()]
TOKENS: dict[Scheme, dict[str, str]] = {
    scheme: {row[0]: row[1 + at] for row in _ROWS} for at, scheme in enumerate(SCHEMES)
}


def luminance(colour: str) -> float:
    """Relative luminance of `#RRGGBB` as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """From 1, the same, to 21, black on white."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)
