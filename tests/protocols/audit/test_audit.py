"""The audit finds planted problems, reports them, and shows no faces unless asked."""

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
from fer_bench.protocols.audit import findings, report
from fer_bench.protocols.audit.findings import audit
from fer_bench.protocols.audit.near_duplicates import find_near_duplicates
from fer_bench.protocols.registry import folds


@pytest.fixture(scope="module", autouse=True)
def _each_search_once():
    """Search equal images and splits for near duplicates once for all tests: it takes most of the time."""
    found = {}

    def search(images: np.ndarray, splits: np.ndarray):
        key = images.tobytes(), splits.tobytes()
        if key not in found:
            found[key] = find_near_duplicates(images, splits)
        return found[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(findings, "find_near_duplicates", search)
        yield


@pytest.fixture(scope="module")
def drawn() -> Dataset:
    """105 drawn faces, 15 per class, a third in each split."""
    return replace(
        draw_dataset(per_class=15), name="drawn", fingerprint="f" * 64, split=(np.arange(105) % 3).astype(np.int8)
    )


@pytest.fixture
def flawed(drawn) -> Dataset:
    """With duplicates, a near duplicate, conflicting labels and constant images. Index % 3 is the split; 2 is test."""
    images, labels = drawn.images.copy(), drawn.labels.copy()
    images[2] = images[0]  # test and training
    images[[4, 5]] = images[1]  # validation twice, and test
    labels[[4, 5]] = labels[1]
    labels[2] = (labels[0] + 1) % 7  # with another label
    images[9] = images[6]  # both training
    labels[9] = labels[6]
    images[7] = images[9]  # and validation
    labels[7] = labels[6]
    images[11] = np.clip(images[12, :, ::-1].astype(int) + 9, 0, 255)  # test; in training, mirrored and darker
    images[13] = images[15, :, ::-1]  # validation; in training, mirrored
    images[14] = np.clip(images[13].astype(int) + 3, 0, 255)  # test
    images[[20, 21]] = [[[0]], [[200]]]
    return replace(drawn, images=images, labels=labels)


def audit_protocol(dataset: Dataset, protocol: str = "official"):
    return audit(dataset, protocol, folds(protocol, dataset, 0))


def test_planted_problems_are_found(flawed):
    found = audit_protocol(flawed)
    assert sorted(group.tolist() for group in found.duplicates) == [[0, 2], [1, 4, 5], [6, 7, 9]]
    assert (found.num_redundant, found.num_conflicting) == (5, 1)
    assert found.constant.tolist() == [20, 21]
    (fold,) = found.folds
    assert fold.groups_across_splits == 3
    assert fold.test_duplicates.tolist() == [2, 5]
    assert fold.validation_duplicates.tolist() == [7]
    pairs = [(one, other) for one, other, _ in found.near_duplicates]
    assert (11, 12) in pairs and (13, 15) in pairs and (14, 15) in pairs
    assert fold.test_near_duplicates.tolist() == [11, 14] and fold.num_near_in_training == 2
    assert fold.validation_near_duplicates.tolist() == [13]
    assert fold.near_changes == {"mirrored": 2, "brighter or darker": 1, "slightly changed": 1}
    assert found.num_tested == 35
    text = report.summary(found)
    assert "**This split leaks. Of 35 test images, 2 (5.7 %) are pixel-identical to an image in training" in text
    assert "3 groups of pixel-identical images (5 redundant), 3 of them across splits, 1 with conflicting" in text
    assert "2 images of a single gray level" in text and "subjects are unknown" in text


def test_the_page_says_what_was_done_to_copies(flawed):
    found = audit_protocol(flawed)
    assert "2 (5.7 %) have a changed copy in training or validation" in report.verdict(found)
    assert "2 of 35 (5.7 %) (in training: 2); 2 mirrored, 1 brighter or darker" in report.summary(found)
    assert "validation images without a duplicate, but with a changed copy in training: 1 of 35" in report.summary(
        found
    )
    text = report.details(found)
    assert "## Test images with a changed copy in training or validation (2)" in text
    names = [f"{flawed.ids[i]} ({flawed.classes[flawed.labels[i]]}" for i in (11, 12)]
    assert f"- {names[0]}): {names[1]}; mirrored, darker)" in text
    rows = [row.split(",") for row in report.duplicates_csv(found, folds("official", flawed, 0)).splitlines()]
    assert ["near", "0", flawed.ids[11], flawed.classes[flawed.labels[11]], "", "test"] in rows


def test_pairs_of_one_subject_are_counted(drawn):
    images = drawn.images.copy()
    images[[1, 5]] = images[[0, 3], :, ::-1]
    subjects = np.array(["S1", "S1", *(f"S{i}" for i in range(2, 105))])
    text = report.summary(audit_protocol(replace(drawn, images=images, subjects=subjects)))
    assert "2 pairs of near duplicates in different splits (1 of one subject)" in text
    assert "1 of 35 (2.9 %) (in training: 1); 1 mirrored" in text  # only image 5 is in test
    assert "This split probably leaks" in text


def test_official_dedup_does_not_leak(flawed):
    found = audit_protocol(flawed, "official-dedup")
    assert found.num_redundant == 5
    (fold,) = found.folds
    assert (fold.groups_across_splits, len(fold.test_duplicates), len(fold.validation_duplicates)) == (0, 0, 0)
    assert fold.num_unassigned == 5
    assert "In no split: 5." in report.summary(found)


def test_data_without_leaks_are_reported_so(drawn):
    subjects = np.array([f"subject {i}" for i in range(105)])
    found = audit_protocol(replace(drawn, subjects=subjects))
    found = replace(found, folds=[replace(fold, test_near_duplicates=np.empty(0, int)) for fold in found.folds])
    assert report.verdict(found) == "No leak was found."
    unknown = replace(found, dataset=drawn)
    assert report.verdict(unknown).endswith("The subjects are unknown and were not checked.")


def video_frames(drawn) -> Dataset:
    """35 sequences of three frames of 12 subjects, as in CK+."""
    sequence = np.repeat(np.arange(35), 3)
    subjects, sequences = np.array([f"S{i % 12}" for i in sequence]), np.array([f"film {i}" for i in sequence])
    return replace(drawn, labels=sequence % 7, split=None, subjects=subjects, sequences=sequences)


def test_image_kfold_has_every_subject_and_sequence_in_two_splits(drawn):
    found = audit_protocol(video_frames(drawn), "image-kfold")
    assert sum(fold.subjects_seen["subjects"] for fold in found.folds) == 105
    assert sum(fold.subjects_in_training["sequences"] for fold in found.folds) == 105
    text = report.summary(found)
    assert "**This split leaks. Of 105 test images, 105 (100.0 %) have their subject in training or validation" in text
    assert "badge: leaky: same subjects in training and test" in text
    assert "10 folds: minimum to maximum" in text


def test_subject_kfold_has_no_subject_in_two_splits(drawn):
    found = audit_protocol(video_frames(drawn), "subject-kfold")
    assert [fold.subjects_seen for fold in found.folds] == [{"subjects": 0, "sequences": 0}] * 10
    text = report.summary(found)
    assert "12 subjects; test images whose subject is in training or validation: 0 of 105 (0.0 %)" in text


def test_sequences_are_audited_by_their_last_frame(drawn):
    sequences = replace(drawn, images=np.stack([drawn.images[::-1], drawn.images], axis=1))
    found = audit_protocol(sequences)
    assert found.near_duplicates == audit_protocol(drawn).near_duplicates
    assert "105 sequences of 2 frames of 48×48" in report.summary(found)


def test_the_table_has_every_duplicate(flawed):
    lines = report.duplicates_csv(audit_protocol(flawed), folds("official", flawed, 0)).splitlines()
    assert lines[0] == "kind,group,id,class,change,fold 0"
    assert f"identical,0,{flawed.ids[2]},{flawed.classes[flawed.labels[2]]},,test" in lines
    assert sum(line.startswith("identical,") for line in lines) == 8


@pytest.fixture
def registered(flawed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with DATASETS.temporary():
        DATASETS.register("flawed")(lambda data_config: flawed)
        yield


def run(*arguments: str):
    return CliRunner().invoke(cli, ["data", *arguments])


def test_the_command_writes_a_page_and_a_table_without_images(registered, tmp_path):
    done = run("audit", "flawed")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "results" / "audits"
    assert sorted(path.name for path in folder.iterdir()) == ["drawn-official.csv", "drawn-official.md"]
    text = (folder / "drawn-official.md").read_text()
    assert "This split leaks" in done.output and "This split leaks" in text
    assert "## Identical images with different labels (1)" in text and "synthetic-00002" in text
    assert "synthetic-00002" not in done.output  # only the page has lists
    assert ".png" not in done.output


def test_images_are_drawn_if_requested(registered, tmp_path):
    done = run("audit", "flawed", "--images", "--protocol", "kfold", "--output", "here/page.md")
    assert done.exit_code == 0, done.output
    image = cv2.imread(str(tmp_path / "here" / "page.png"))
    assert image.shape[0] >= 4 * 96 and image.shape[1] >= 3 * 96


def test_no_duplicates_is_an_error_for_the_contact_sheet(drawn, tmp_path):
    found = replace(audit_protocol(drawn), duplicates=[], near_duplicates=[])
    with pytest.raises(UserError, match="no duplicates"):
        report.write_contact_sheet(found, tmp_path / "sheet.png")


def test_a_split_file_is_written_and_read(registered, tmp_path):
    done = run("split", "flawed", "--protocol", "official-dedup", "--output", "split.csv")
    assert done.exit_code == 0, done.output
    assert "fold 0: training 32, validation 33, test 35" in done.output
    done = run("audit", "flawed", "--protocol", "file:split.csv", "--output", "page.md")
    assert done.exit_code == 0, done.output
    assert "# Audit of drawn under file:official-dedup@" in (tmp_path / "page.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["audit"], "Name a dataset"),
        (["audit", "flawe"], "Did you mean 'flawed'"),
        (["audit", "flawed", "--protocol", "loso"], "loso"),
        (["audit", "flawed", "--protocol", "cross"], "cross:drawn->jaffe"),
        (["audit", "flawed", "--protocol", "cross:flawed-"], "quotes"),
    ],
)
def test_wrong_arguments_are_a_user_error(registered, arguments, word):
    done = run(*arguments)
    assert isinstance(done.exception, UserError) and word in str(done.exception)
