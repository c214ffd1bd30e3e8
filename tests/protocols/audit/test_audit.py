"""An audit finds what was put into the data, says so in plain words, and shows no face unless it is asked to."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from fer_bench.cli import cli
from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.synthetic import draw_dataset
from fer_bench.protocols.audit import report
from fer_bench.protocols.audit.findings import audit
from fer_bench.protocols.registry import folds


@pytest.fixture(scope="module")
def drawn() -> Dataset:
    """105 drawn faces, 15 a class, by thirds into the parts."""
    return replace(
        draw_dataset(per_class=15), name="drawn", fingerprint="f" * 64, split=(np.arange(105) % 3).astype(np.int8)
    )


@pytest.fixture
def spoilt(drawn) -> Dataset:
    """With twins, a near twin, conflicting labels and constant images. Index % 3 is the part: 2 is the test."""
    images, labels = drawn.images.copy(), drawn.labels.copy()
    images[2] = images[0]  # tested and trained
    images[[4, 5]] = images[1]  # validated twice, and tested
    labels[[4, 5]] = labels[1]
    labels[2] = (labels[0] + 1) % 7  # and with another label
    images[9] = images[6]  # both trained
    labels[9] = labels[6]
    images[7] = images[9]  # and validated
    labels[7] = labels[6]
    images[11] = np.clip(images[12].astype(int) + 9, 0, 255)  # tested, nearly as trained
    images[[20, 21]] = [[[0]], [[200]]]
    return replace(drawn, images=images, labels=labels)


def of(dataset: Dataset, protocol: str = "official"):
    return audit(dataset, protocol, folds(protocol, dataset, 0))


def test_it_finds_what_was_put_in(spoilt):
    found = of(spoilt)
    assert sorted(group.tolist() for group in found.duplicates) == [[0, 2], [1, 4, 5], [6, 7, 9]]
    assert (found.num_redundant, found.num_conflicting) == (5, 1)
    assert found.constant.tolist() == [20, 21]
    (fold,) = found.folds
    assert fold.groups_across_splits == 3
    assert fold.test_duplicates.tolist() == [2, 5]
    assert fold.validation_duplicates.tolist() == [7]
    assert [11, 12] in found.near_duplicates.tolist() and 11 in fold.test_near_duplicates
    assert found.total("tested") == 35
    text = report.summary(found)
    assert (
        "**This split leaks. Of 35 test images 2 (5.7 %) are pixel-identical to one of training or validation" in text
    )
    assert "3 groups of pixel-identical images (5 surplus), 3 of them across parts, 1 with conflicting labels" in text
    assert "2 images of a single grey level" in text and "subjects are not known" in text


def test_without_twins_there_is_no_leak_but_the_data_are_the_same(spoilt):
    found = of(spoilt, "official-dedup")
    assert found.num_redundant == 5
    (fold,) = found.folds
    assert (fold.groups_across_splits, len(fold.test_duplicates), len(fold.validation_duplicates)) == (0, 0, 0)
    assert fold.num_unassigned == 5
    assert "Left out of all parts: 5." in report.summary(found)


def test_clean_data_are_said_to_be_clean(drawn):
    subjects = np.array([f"person {i}" for i in range(105)])
    found = replace(of(replace(drawn, subjects=subjects)), near=np.empty((0, 2), int))
    found = replace(found, folds=[replace(fold, near_tests=np.empty(0, int)) for fold in found.folds])
    assert report.verdict(found) == "No exact leak was found."
    unknown = replace(found, dataset=drawn)
    assert report.verdict(unknown).endswith("found. Who is in which image is not known, and so not looked at.")


def frames(drawn) -> Dataset:
    """35 films of three frames of 12 persons, as CK+'s last frames are."""
    films = np.repeat(np.arange(35), 3)
    names = {"subjects": [f"S{film % 12}" for film in films], "sequences": [f"film {film}" for film in films]}
    known = {kind: np.array(values) for kind, values in names.items()}
    return replace(drawn, labels=films % 7, split=None, **known)


def test_images_cut_apart_have_every_person_and_film_on_both_sides(drawn):
    found = of(frames(drawn), "image-kfold")
    assert sum(fold.subjects_seen["subjects"] for fold in found.folds) == 105
    assert sum(fold.subjects_in_training["sequences"] for fold in found.folds) == 105
    text = report.summary(found)
    assert "**This split leaks. Of 105 test images 105 (100.0 %) show a person of training or validation" in text
    assert "badge: leaky: same subjects in training and test" in text
    assert "10 folds: from the least to the most" in text


def test_whole_persons_have_nobody_on_both_sides(drawn):
    found = of(frames(drawn), "subject-kfold")
    assert [fold.subjects_seen for fold in found.folds] == [{"subjects": 0, "sequences": 0}] * 10
    assert "12 subjects; test images whose person is in training or validation: 0 of 105 (0.0 %)" in report.summary(
        found
    )


def test_sequences_are_audited_by_their_last_frame(drawn):
    films = replace(drawn, images=np.stack([drawn.images[::-1], drawn.images], axis=1))
    found = of(films)
    assert found.near_duplicates.tolist() == of(drawn).near_duplicates.tolist()
    assert "105 sequences of 2 frames of 48×48" in report.summary(found)


def test_every_twin_is_in_the_table(spoilt):
    lines = report.duplicates_csv(of(spoilt), folds("official", spoilt, 0)).splitlines()
    assert lines[0] == "kind,group,id,class,fold 0"
    assert f"identical,0,{spoilt.ids[2]},{spoilt.classes[spoilt.labels[2]]},test" in lines
    assert sum(line.startswith("identical,") for line in lines) == 8


@pytest.fixture
def registered(spoilt, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with DATASETS.temporary():
        DATASETS.register("spoilt")(lambda data_config: spoilt)
        yield


def run(*arguments: str):
    return CliRunner().invoke(cli, ["data", *arguments])


def test_the_command_prints_and_writes_a_page_and_a_table_without_pictures(registered, tmp_path):
    done = run("audit", "spoilt")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "results" / "audits"
    assert sorted(path.name for path in folder.iterdir()) == ["drawn-official.csv", "drawn-official.md"]
    text = (folder / "drawn-official.md").read_text()
    assert "This split leaks" in done.output and "This split leaks" in text
    assert "## Identical images with several labels (1)" in text and "synthetic-00002" in text
    assert "synthetic-00002" not in done.output  # lists are for the page
    assert ".png" not in done.output


def test_pictures_are_drawn_when_asked_for(registered, tmp_path):
    done = run("audit", "spoilt", "--pictures", "--protocol", "kfold", "--output", "here/page.md")
    assert done.exit_code == 0, done.output
    picture = cv2.imread(str(tmp_path / "here" / "page.png"))
    assert picture.shape[0] >= 4 * 96 and picture.shape[1] >= 3 * 96


def test_no_twins_is_no_picture(drawn, tmp_path):
    found = replace(of(drawn), twins=[], near=np.empty((0, 2), int))
    with pytest.raises(UserError, match="'drawn' has no twins to draw"):
        report.write_contact_sheet(found, tmp_path / "sheet.png")


def test_a_split_is_written_and_used(registered, tmp_path):
    done = run("split", "spoilt", "--protocol", "official-dedup", "--output", "split.csv")
    assert done.exit_code == 0, done.output
    assert "fold 0: training 32, validation 33, test 35" in done.output
    done = run("audit", "spoilt", "--protocol", "file:split.csv", "--output", "page.md")
    assert done.exit_code == 0, done.output
    assert "# Audit of drawn under file:official-dedup@" in (tmp_path / "page.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["audit"], "Name a dataset"),
        (["audit", "spolt"], "Did you mean 'spoilt'"),
        (["audit", "spoilt", "--protocol", "loso"], "'loso' needs to know the subjects, and 'drawn' names none"),
        (["audit", "spoilt", "--protocol", "cross"], "takes two datasets, as in 'cross:drawn->jaffe'"),
        (["audit", "spoilt", "--protocol", "cross:spoilt-"], "in quotes: the shell takes > for itself"),
    ],
)
def test_a_mistake_is_a_sentence(registered, arguments, sentence):
    done = run(*arguments)
    assert isinstance(done.exception, UserError) and sentence in str(done.exception)
