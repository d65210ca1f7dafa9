"""Environments of several runs as one."""

from jaxdep.stages import record


def test_environments_are_told_together_each_value_once():
    gpu, cpu = {"python": "3.11", "devices": "1 x H200"}, {"python": "3.11", "devices": "2 x cpu", "revision": "a"}
    both = {"python": "3.11", "devices": "1 x H200; 2 x cpu", "revision": "a"}
    assert record.merged([gpu, cpu]) == both
    assert record.merged([both, cpu, record.merged([cpu, gpu])]) == both
