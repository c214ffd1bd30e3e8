"""What the names of image files and folders tell: subjects, expressions, persons, recordings, splits. No NumPy."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from fer_bench.datasets.emotions import canonical_emotion

# The names of well-known datasets: a group `subject`, and a group `code` if they tell the expression. Longer names,
# such as those of changed copies, begin with them.
DATASET_NAMES = {
    "JAFFE": r"(?P<subject>[A-Z]{2})[.\-_](?P<code>AN|DI|FE|HA|SA|SU|NE)\d+[.\-_]\d+",
    "CK+": r"(?P<subject>S\d{3})_\d{3}_\d{8}",
    # Session A or B, F or M and the number of the person.
    "KDEF": r"[AB](?P<subject>[FM]\d{2})(?P<code>AF|AN|DI|HA|NE|SA|SU)(?:FL|FR|HL|HR|S)",
    "RaFD": r"Rafd\d{3}_(?P<subject>\d{2})_",
    "FACES": r"(?P<subject>\d{3})_[ymo]_[fm]_[nsdfah]_[ab]",
    "RAVDESS": r"(?:\d{2}-){6}(?P<subject>\d{2})",
    "CREMA-D": r"(?P<subject>1\d{3})_[A-Z]{3}_(?P<code>ANG|DIS|FEA|HAP|NEU|SAD)",
}
# Names of anybody's datasets. They count only if the subjects of all files are plausible.
GENERAL_NAMES = (
    r".*?(?<![A-Za-z])(?P<subject>(?:sub|subj|subject|person|pers|participant|proband|patient|actor|actress|speaker|"
    r"volunteer)[-_ ]?\d+)",
    r"(?P<subject>(?:[ABFMPSV]|ID|PP|PT|SB|SJ|VP)\d{2,4})[-_. ](?=.*[A-Z0-9])",
)
MIN_IMAGES_PER_SUBJECT = 2  # on average, otherwise a number counts the images, not the persons
MAX_CLASSES = 30  # folders that may be classes of expressions; there are 22 compound expressions
MAX_NUMBERED = 12  # folders with numbers as names that may be classes; RAF-DB has 11 compound expressions

_END = r"(?![A-Za-z0-9])"
# `re` compiles these patterns when they are first used, and keeps them: that takes 20 ms, and few commands need them.
_DATASET_NAMES = [pattern + (_END if pattern[-1] != "_" else "") for pattern in DATASET_NAMES.values()]
_GENERAL_NAMES = [pattern + _END if i == 0 else pattern for i, pattern in enumerate(GENERAL_NAMES)]

_NUMBER = r"[-_ .]*\d+[a-z]?"
_PERSON = (
    r"(?:(?:sub|subj|subject|person|pers|participant|proband|patient|actor|actress|speaker|user|volunteer|individual|"
    rf"client|student|child|man|woman|male|female|people|face|pid|uid|id)s?{_NUMBER}|"
    r"(?:subject|person|participant|actor|actress|speaker|user)[-_ ][a-z]+|"
    r"[spfmv][-_]?\d+|(?!au|cl|em|lv)[a-z]{2}[-_]?\d{2,})"
)
_RECORDING = (
    "(?:(?:session|sess|take|trial|recording|rec|video|vid|clip|movie|film|sequence|seq|day|date|visit|camera|cam|view|"
    rf"scene|shot|run|batch|chunk|part|frame|image|img)s?{_NUMBER}|"
    r"(?:camera|cam|view)[-_ ][a-z]+|part[-_ ][a-z]|\d{4}[-_.]?\d{2}[-_.]?\d{2})"
)
_SPLIT = (
    "(?:fold|split|cv|set|subset|train|training|test|testing|val|valid|validation|dev|eval|evaluation|public_?test|"
    r"private_?test|holdout)[-_ ]*(?:set|data|images?)?[-_ ]*(?:\d+|old|new|extra|aug\w*|orig\w*)?"
)
FOLDER_KINDS = {
    "persons": rf"{_PERSON}(?:[-_ ]+{_RECORDING})?",
    "recordings": rf"{_RECORDING}(?:[-_ ]+(?:{_RECORDING}|{_PERSON}|frames|images|faces|crops))?",
    "splits": _SPLIT,
}
# Names of folders in lower case, without separators and words such as "set" → their split.
SPLITS_BY_NAME = {
    "train": "training",
    "training": "training",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "validate": "validation",
    "dev": "validation",
    "eval": "validation",
    "evaluation": "validation",
    "publictest": "validation",  # as in FER2013
    "test": "test",
    "tests": "test",
    "testing": "test",
    "privatetest": "test",
}
_SEPARATORS = re.compile(r"[-_ .]+")
_WORDS = re.compile(r"(?<=.)(?:set|data|dataset|split|images?|faces?|folder|dir)$")
_INITIALS = re.compile(r"[A-Z]{2}")
_CODES = frozenset(("AN", "DI", "FE", "AF", "HA", "SA", "SU", "NE", "CO"))  # expressions, as in JAFFE and KDEF
_WORD = re.compile(r"[a-z]+")


def split_of(name: str) -> str | None:
    """Return the split that a folder is named for, such as train, Train_Set, valid or PublicTest; else None."""
    short = _SEPARATORS.sub("", name.lower())
    return SPLITS_BY_NAME.get(short) or SPLITS_BY_NAME.get(_WORDS.sub("", short))


def known_subject(stem: str) -> str | None:
    """Return the subject in a name of a well-known dataset; None for others."""
    match = next(filter(None, (re.match(pattern, stem, re.I) for pattern in _DATASET_NAMES)), None)
    return match["subject"].upper() if match else None


def subjects_in_names(stems: Sequence[str], labels: Sequence[str]) -> list[str] | None:
    """Return the subject of each image if all names tell it plausibly; else None.

    Args:
        stems: Names of the image files without their suffixes.
        labels: The class of each image. The same person shows several expressions.
    """
    known = [known_subject(stem) for stem in stems]
    if all(known) and stems:
        return [subject for subject in known if subject]
    for pattern in _GENERAL_NAMES:
        matches = [re.match(pattern, stem, re.I) for stem in stems]
        subjects = [match["subject"].upper() for match in matches if match]
        if len(subjects) == len(stems) and _are_plausible(subjects, labels):
            return subjects
    return None


def num_known_subjects(stems: Sequence[str]) -> int:
    """Return how many names are those of a well-known dataset."""
    return sum(known_subject(stem) is not None for stem in stems)


def expression_in_name(stem: str) -> str:
    """Return the expression that a name tells, as a code or a standard word; empty if it tells none or several."""
    for pattern in _DATASET_NAMES:
        if (match := re.match(pattern, stem, re.I)) and "code" in match.groupdict():
            return match["code"].upper()
    words = {emotion for word in _WORD.findall(stem.lower()) if (emotion := canonical_emotion(word))}
    return words.pop() if len(words) == 1 else ""


def kind_of_folders(names: Collection[str]) -> str:
    """Return what nearly all names of two or more folders look like, such as "persons"; empty if like nothing known."""
    if len(names) < 2:
        return ""
    if all(name.isdecimal() for name in names):
        return "persons" if len(names) > MAX_NUMBERED or min(map(len, names)) > 2 else ""
    if len(names) > 2 and all(map(_INITIALS.fullmatch, names)) and not set(names) <= _CODES:
        return "persons"
    kinds = [
        next((kind for kind, p in FOLDER_KINDS.items() if re.fullmatch(p, name.strip(), re.I)), "") for name in names
    ]
    matched = [kind for kind in kinds if kind]
    return " or ".join(dict.fromkeys(matched)) if len(matched) >= max(2, 0.8 * len(names)) else ""


def problem_with_classes(stems_by_folder: Mapping[str, Sequence[str]]) -> str:
    """Return why folders that are not named for expressions are no classes; empty if they may be classes."""
    folders = list(stems_by_folder)
    name = _expression_across_folders(stems_by_folder)
    in_names = f"have files whose names tell the expression, such as {name}" if name else ""
    if kind := kind_of_folders(folders):
        return f"look like {kind}" + (in_names and f" and {in_names}")
    if in_names:
        return in_names
    subjects = [{known_subject(stem) for stem in stems} for stems in stems_by_folder.values()]
    if all(len(own) == 1 and None not in own for own in subjects) and len(set.union(*subjects)) == len(folders) > 1:
        return "have the images of one person each"
    return f"are more than {MAX_CLASSES}" if len(folders) > MAX_CLASSES else ""


def _expression_across_folders(stems_by_folder: Mapping[str, Sequence[str]]) -> str:
    """Return a file name if its expression and another one occur in most of two or more folders; else nothing."""
    by_folder = [{expression_in_name(stem) for stem in stems} - {""} for stems in stems_by_folder.values()]
    counts = Counter(expression for expressions in by_folder for expression in expressions)
    common = {expression for expression, count in counts.items() if count >= max(2, 0.7 * len(by_folder))}
    if len(common) < 2:
        return ""
    return next(stem for stems in stems_by_folder.values() for stem in stems if expression_in_name(stem) in common)


def _are_plausible(subjects: Sequence[str], labels: Sequence[str]) -> bool:
    """Return whether there are several subjects with several images, and most of them show several classes."""
    counts = Counter(subjects)
    if len(counts) < 2 or len(subjects) < MIN_IMAGES_PER_SUBJECT * len(counts):
        return False
    num_classes = Counter(subject for subject, _ in set(zip(subjects, labels, strict=True)))
    return sum(num_classes[subject] > 1 for subject in counts) > len(counts) / 2
