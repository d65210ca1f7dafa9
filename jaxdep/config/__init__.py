"""An experiment's config: typed dataclasses that a config file fills and the command line overrides.

A config file's `get_config()` returns an `Experiment`. Every field can be overridden by its path,
`--config.seeds.count=100` or `--config.stages.text.training.epochs=5`; a wrong path or type is one line.

This file lists the kinds of stages, a line each: what is imported here can be named in configs.
"""

from jaxdep.config.experiment import Experiment as Experiment
from jaxdep.config.findings import Finding as Finding
from jaxdep.config.published import Published as Published
from jaxdep.config.schedules import Constant as Constant
from jaxdep.config.schedules import Cosine as Cosine
from jaxdep.config.schedules import Newbob as Newbob
from jaxdep.config.schedules import Schedule as Schedule
from jaxdep.config.schedules import StepDecay as StepDecay
from jaxdep.config.settings import STREAMS as STREAMS
from jaxdep.config.settings import Data as Data
from jaxdep.config.settings import Frozen as Frozen
from jaxdep.config.settings import Levels as Levels
from jaxdep.config.settings import Mapping as Mapping
from jaxdep.config.settings import Optimizer as Optimizer
from jaxdep.config.settings import Sampling as Sampling
from jaxdep.config.settings import Seeds as Seeds
from jaxdep.config.settings import StandIn as StandIn
from jaxdep.config.settings import Task as Task
from jaxdep.config.settings import Training as Training
from jaxdep.config.splits import Folds as Folds
from jaxdep.config.splits import Splits as Splits
from jaxdep.config.stages.analyse import AnalyseStage as AnalyseStage
from jaxdep.config.stages.attention import AttentionStage as AttentionStage
from jaxdep.config.stages.base import ScoredStage as ScoredStage
from jaxdep.config.stages.base import StageConfig as StageConfig
from jaxdep.config.stages.baseline import BaselineStage as BaselineStage
from jaxdep.config.stages.baseline import trivial_baselines as trivial_baselines
from jaxdep.config.stages.case_study import CaseStudyStage as CaseStudyStage
from jaxdep.config.stages.cases import CasesStage as CasesStage
from jaxdep.config.stages.evaluate import EvaluateStage as EvaluateStage
from jaxdep.config.stages.extract import ExtractStage as ExtractStage
from jaxdep.config.stages.fuse import FuseStage as FuseStage
from jaxdep.config.stages.groups import GroupsStage as GroupsStage
from jaxdep.config.stages.missing import Missing as Missing
from jaxdep.config.stages.participant import ParticipantStage as ParticipantStage
from jaxdep.config.stages.profile import ProfileStage as ProfileStage
from jaxdep.config.stages.roc import RocStage as RocStage
from jaxdep.config.stages.samples import SamplesStage as SamplesStage
from jaxdep.config.stages.stability import StabilityStage as StabilityStage
from jaxdep.config.stages.train import Further as Further
from jaxdep.config.stages.train import Start as Start
from jaxdep.config.stages.train import TrainStage as TrainStage
