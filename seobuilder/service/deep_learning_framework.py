"""Training by configuration.

from deep_learning_framework import CustomSEOModelTrainer, TrainingConfig

trainer = CustomSEOModelTrainer(TrainingConfig(num_classes=3, learning_rate=1e-4))
trainer.setup_training()
results = trainer.train_epoch_with_monitoring(dataloader)
"""

from __future__ import annotations

from seobuilder.service.calls.trainer import CustomSEOModelTrainer
from seobuilder.service.calls.training_config import TrainingConfig

__all__ = ["CustomSEOModelTrainer", "TrainingConfig"]
