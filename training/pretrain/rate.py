"""The learning rate of every step, as a function of the step alone."""

import math

from training.pretrain.plan import Plan


def rate_at(step: int, steps: int, plan: Plan) -> float:
    """Rises in a straight line over the warm-up, then falls to ``final_lr · lr`` at the last step."""
    warmup = round(plan.warmup * steps)
    if step < warmup:
        return plan.lr * (step + 1) / (warmup + 1)
    done = (step - warmup) / max(1, steps - 1 - warmup)
    if plan.schedule == "exponential":
        return plan.lr * math.pow(plan.final_lr, done)
    return plan.lr * (plan.final_lr + (1 - plan.final_lr) * (1 + math.cos(math.pi * done)) / 2)
