"""Which member a vote follows where its members do not agree (Wu et al. 2022, section 3.4).

Reads `CONFLICTS`: for each seed, split and member, among its `recordings` those on whose decision the
members do not agree (`conflicts`), and of these how often the member was `right`, the vote `followed` it, and the vote
was right (`vote_right`). Where it is drawn several times who lacks a modality, there is one of each for every `draw`.
"""

from pathlib import Path

import pandas as pd

from jaxdep.config.stages.fuse import CONFLICTS
from jaxdep.report.csv_files import read_csv, refuse
from jaxdep.report.exhibits.parts import Draw, ExhibitKind, Grid, Part, groups, listed, read_rows, share, within

_COUNTS = CONFLICTS.columns[3:]


def parts(folder: Path, draw: Draw) -> tuple[Part, ...]:
    """The totals over the seeds as a table, and a sentence for each split. Raises DataError where the file is wrong."""
    frame = read(folder / CONFLICTS.name)
    sentences = [followed(split, rows) for (split,), rows in groups(frame, "split")]
    if frame["seed"].nunique() > 1 or frame["draw"].nunique() > 1:
        sentences.append("STD: of the shares that single seeds have, of all their draws; and of those of single draws.")
    return (Part("", tuple(sentences), (), (_grid(frame),)),)


def read(path: Path) -> pd.DataFrame:
    """The file with numbers as numbers."""
    draws = "draw" in read_csv(path, CONFLICTS.columns).columns
    frame = read_rows(path, CONFLICTS.columns, ("seed", "split", *(("draw",) if draws else ()), "member"))
    frame = frame.assign(
        seed=within(path, frame, "seed", whole=True),
        draw=within(path, frame, "draw", 0, whole=True) if draws else 0,
        **{name: within(path, frame, name, 0, whole=True) for name in _COUNTS},
    )
    refuse(path, frame, "conflicts", frame["conflicts"] > frame["recordings"], "is more than the recordings")
    for name in ("right", "followed", "vote_right"):
        refuse(path, frame, name, frame[name] > frame["conflicts"], "is more than the conflicts")
    for name in ("recordings", "conflicts", "vote_right"):
        first = frame.groupby(["seed", "split", "draw"])[name].transform("first")
        refuse(path, frame, name, frame[name] != first, "differs from that of the seed's other members")
    return frame


def followed(split: str, rows: pd.DataFrame) -> str:
    """Which member the vote followed most, which was right most often, and whether they are the emotion modality."""
    n_seeds = rows["seed"].nunique()
    totals = _totals(rows)
    conflicts = int(totals["conflicts"].iloc[0])
    over = f"{split}, {n_seeds} seed{'s' * (n_seeds > 1)}"
    if not conflicts:
        return f"{over}: the members agreed on every recording."
    most, right = _leaders(totals, "followed"), _leaders(totals, "right")
    text = (
        f"{over}: in {conflicts} conflicts the vote most often followed {_with_share(totals, most, 'followed')}; "
        f"most often right was {_with_share(totals, right, 'right')}; "
        f"the vote was right in {share(int(totals['vote_right'].iloc[0]), conflicts)}."
    )
    emotion = [member for member in totals.index if member.startswith("emotion")]
    if len(emotion) != 1:
        return text
    places = f"{_place(emotion[0], most, 'followed most')} and {_place(emotion[0], right, 'right most often')}"
    if emotion[0] not in (*most, *right):
        places = "neither the one followed most nor the one right most often"
    return f"{text} The emotion modality ({emotion[0]}) is {places}."


def _totals(rows: pd.DataFrame) -> pd.DataFrame:
    """Counts by member, summed over the seeds."""
    return rows.groupby("member", sort=False)[list(_COUNTS)].sum()


def _leaders(totals: pd.DataFrame, name: str) -> list[str]:
    """The members with the largest count, more than one where they are equal; nobody where all counts are 0."""
    return totals.index[totals[name] == max(1, totals[name].max())].tolist()


def _place(member: str, leaders: list[str], what: str) -> str:
    """Whether a member leads in something, alone or with others."""
    if member not in leaders:
        return f"not the one {what}"
    return f"one of those {what} (tied)" if leaders[1:] else f"the one {what}"


def _with_share(totals: pd.DataFrame, members: list[str], name: str) -> str:
    named = listed(members) + (" (tied)" if members[1:] else "")
    return f"{named or 'nobody'}, in {share(int(totals[name].max()), int(totals['conflicts'].max()))}"


def _grid(frame: pd.DataFrame) -> Grid:
    body = []
    for (split,), rows in groups(frame, "split"):
        for (member,), of_member in groups(rows, "member"):
            shares = (_spread(of_member, name, "conflicts") for name in ("right", "followed", "vote_right"))
            of_recordings = _spread(of_member, "conflicts", "recordings")
            body.append((split, member, str(rows["seed"].nunique()), of_recordings, *shares))
    headings = ("Split", "Member", "seeds", "conflicts", "member right", "vote followed it", "vote right")
    return Grid(headings, tuple(body), 2)


def _spread(rows: pd.DataFrame, part: str, whole: str) -> str:
    """A member's count as a share of another over all seeds and draws, with the STDs of the share over either."""
    text = share(int(rows[part].sum()), int(rows[whole].sum()))
    deviations = []
    for key in ("seed", "draw"):
        totals = rows.groupby(key)[[part, whole]].sum()
        shares = 100 * totals[part] / totals[whole]  # NaN where nobody disagreed
        if shares.count() > 1:
            deviations.append(f"{shares.std():.0f} % over {key}s")
    return f"{text}, STD {listed(deviations)}" if deviations else text


EXHIBIT = ExhibitKind("conflicts", (CONFLICTS,), parts)
