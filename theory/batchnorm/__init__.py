"""The theory of deep batch-normalised networks. `models`, `train` and `sweeps` import its files; the names here are for you."""

from phasemap.theory.batchnorm.gradient_explosion import DepthScale, depth_scale, depth_scales, gradient_explosion_rate
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.batchnorm.setting import Setting

__all__ = ["DepthScale", "Setting", "batchnorm_record", "depth_scale", "depth_scales", "gradient_explosion_rate"]
