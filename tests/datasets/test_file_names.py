"""What names of files and folders tell: subjects, persons, recordings, splits."""

import pytest

from fer_bench.datasets.file_names import (
    kind_of_folders,
    known_subject,
    problem_with_classes,
    split_of,
    subjects_in_names,
)


@pytest.mark.parametrize(
    ("stem", "subject"),
    [
        ("KA.AN1.39", "KA"),
        ("ka_an1_39_flipped", "KA"),
        ("S005_001_00000011", "S005"),
        ("AF01ANS", "F01"),
        ("BF01HAHL", "F01"),  # the same person in the second session
        ("Rafd090_01_Caucasian_female_angry_frontal", "01"),
        ("1001_DFA_ANG_XX_frame3", "1001"),
        ("train_00001_aligned", None),
        ("Training_3908", None),
        ("IMG_0001", None),
        ("0", None),
    ],
)
def test_subjects_of_known_datasets(stem, subject):
    assert known_subject(stem) == subject


def test_subjects_of_other_datasets():
    labels = ["happy", "sad"] * 3
    names = [f"subject{i // 2}_{label}" for i, label in enumerate(labels)]
    assert subjects_in_names(names, labels) == ["SUBJECT0", "SUBJECT0", "SUBJECT1", "SUBJECT1", "SUBJECT2", "SUBJECT2"]
    assert subjects_in_names([f"P{i // 2:02d}-{i}" for i in range(6)], labels)[-1] == "P02"


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["im01_1", "im02_1", "im03_1", "im04_1"], ["happy", "sad"] * 2),  # one image per number
        (["a01_1", "a01_2", "b01_1", "b01_2"], ["happy", "happy", "sad", "sad"]),  # the number tells the class
        (["KA.AN1.39", "other"], ["angry", "angry"]),
        ([], []),
    ],
)
def test_numbers_that_are_no_subjects(names, labels):
    assert subjects_in_names(names, labels) is None


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["AF01", "AM02", "BM35"], "persons"),
        (["S005", "S010"], "persons"),
        (["subject01", "subject02"], "persons"),
        (["person_3", "person_4"], "persons"),
        (["s1", "s2"], "persons"),
        (["KA", "KL", "KM"], "persons"),
        (["actor_01", "actor_02"], "persons"),
        (["001", "002"], "persons"),
        ([str(i) for i in range(1, 25)], "persons"),
        (["subject-A", "subject-B"], "persons"),
        (["P1_session1", "P2_session1"], "persons"),
        (["session1", "session2"], "recordings"),
        (["video1_frames", "video2_frames"], "recordings"),
        (["2021-01-02", "2021-03-04"], "recordings"),
        (["cam_left", "cam_right"], "recordings"),
        (["train2", "fold_1"], "splits"),
        (["test", "val"], "splits"),
        (["engaged", "bored"], ""),
        (["positive", "negative"], ""),
        (["1", "2", "3", "4", "5", "6", "7"], ""),
        ([str(i) for i in range(1, 12)], ""),
        (["AU01", "AU12"], ""),
        (["class1", "class2"], ""),
        (["AN", "DI", "HA"], ""),
        (["c0", "c1"], ""),
        (["man", "woman"], ""),
        (["happy_faces", "sad_faces"], ""),
        (["patient", "control"], ""),
        (["open", "closed"], ""),
        (["s1"], ""),
    ],
)
def test_kinds_of_folders(names, kind):
    assert kind_of_folders(names) == kind


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        ({"Anna": ["Anna_happy", "Anna_sad"], "Bob": ["Bob_happy", "Bob_sad"]}, "tell the expression"),
        ({"a": ["AF01ANS", "AF01HAS"], "b": ["AF02ANS", "AF02HAS"]}, "tell the expression"),
        ({"a": ["S005_001_00000011"], "b": ["S010_001_00000011"]}, "one person each"),
        ({f"name {'x' * i}": ["1"] for i in range(40)}, "more than 30"),
    ],
)
def test_file_names_that_contradict_the_classes(folders, words):
    assert words in problem_with_classes(folders)


@pytest.mark.parametrize(
    "folders",
    [
        {"positive": ["happy1", "surprise1"], "negative": ["sad1", "angry1", "surprise2"]},
        {"engaged": ["engaged_1"], "bored": ["bored_1"]},
    ],
)
def test_classes_of_other_names(folders):
    assert problem_with_classes(folders) == ""


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Train", "training"),
        ("train_set", "training"),
        ("TrainingImages", "training"),
        ("valid", "validation"),
        ("dev", "validation"),
        ("PublicTest", "validation"),
        ("Private_Test", "test"),
        ("testing", "test"),
        ("test-images", "test"),
        ("trainer", None),
        ("happy", None),
        ("test2", None),
    ],
)
def test_names_of_splits(name, split):
    assert split_of(name) == split
