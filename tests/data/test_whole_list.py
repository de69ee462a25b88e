from nlpreg.data.whole_list import speaks_for


class Base:
    def one(self) -> int:
        return 1

    def many(self) -> int:
        return 1


class OneOverridden(Base):
    def one(self) -> int:
        return 2


class BothOverridden(OneOverridden):
    def many(self) -> int:
        return 2


class Grandchild(BothOverridden):
    pass


class Without:
    def one(self) -> int:
        return 1


def test_the_whole_list_method_counts_where_nobody_below_it_overrides_the_single_one() -> None:
    assert speaks_for(Base, "many", "one")
    assert not speaks_for(OneOverridden, "many", "one")
    assert speaks_for(BothOverridden, "many", "one")
    assert speaks_for(Grandchild, "many", "one")


def test_a_class_without_the_method() -> None:
    assert not speaks_for(Without, "many", "one")


def test_every_single_method_counts() -> None:
    assert not speaks_for(OneOverridden, "many", "other", "one")
    assert speaks_for(OneOverridden, "many", "other")
