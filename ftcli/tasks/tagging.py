from ftcli.tasks.base import Task


def build_tagging(section, facts, evaluate) -> Task:
    raise NotImplementedError
