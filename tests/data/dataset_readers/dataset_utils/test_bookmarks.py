from nlpreg.data.dataset_readers.dataset_utils.bookmarks import Bookmark, Bookmarks


def test_the_last_one_before_a_unit_and_those_behind_it():
    bookmarks = Bookmarks([[0, 0, 0, 1], [5, 0, 70, 9]])
    bookmarks.add(Bookmark(8, 1, 0, 1))
    units = [[bookmark.unit for bookmark in bookmarks.from_unit(unit)] for unit in (0, 4, 5, 7, 8, 99)]
    assert units == [[0, 5, 8], [0, 5, 8], [5, 8], [5, 8], [8], [8]]


def test_nothing_before_the_first():
    assert Bookmarks().from_unit(3) == []
    assert Bookmarks([[5, 0, 70, 9]]).from_unit(4) == []


def test_one_that_is_there_already_is_not_added_again():
    bookmarks = Bookmarks([[5, 0, 70, 9]])
    for unit in (5, 3, 6):
        bookmarks.add(Bookmark(unit, 0, unit))
    assert bookmarks.from_unit(5) == [(5, 0, 70, 9), (6, 0, 6, 1)]
