"""Published numbers, to stand beside a measurement of the same test set (method.md §11)."""

from __future__ import annotations

from typing import Any

from selcon_training.data.agd20k import DataSet
from selcon_training.data.published_sets import CLASS_LISTS

CLASSES = {
    "AGD20K Seen": ("seen", "Seen"),
    "AGD20K Unseen": ("unseen", "Unseen"),
    "HICO-IIF": ("hico_iif", None),
}
"""Class list and divide by which a data set is known."""

PUBLISHED_RESULTS: dict[str, dict[str, tuple[float, float, float]]] = {
    "AGD20K Seen": {
        "ClearCLIP, zero shot": (1.573, 0.294, 0.945),
        "LOCATE": (1.226, 0.401, 1.177),
        "WSMA": (1.176, 0.416, 1.247),
        "Selective Contrastive Learning": (1.124, 0.433, 1.280),
        "Selective Contrastive Learning, raw CAM": (1.142, 0.415, 1.303),
        "LoopTrans": (1.088, 0.445, 1.322),
    },
    "AGD20K Unseen": {
        "ClearCLIP, zero shot": (1.723, 0.262, 0.976),
        "LOCATE": (1.405, 0.372, 1.157),
        "WSMA": (1.335, 0.382, 1.220),
        "Selective Contrastive Learning": (1.243, 0.405, 1.368),
        "Selective Contrastive Learning, raw CAM": (1.287, 0.378, 1.377),
        "LoopTrans": (1.247, 0.403, 1.315),
    },
    "HICO-IIF": {
        "ClearCLIP, zero shot": (1.746, 0.252, 1.032),
        "LOCATE": (1.593, 0.327, 0.966),
        "WSMA": (1.465, 0.358, 1.012),
        "Selective Contrastive Learning": (1.358, 0.378, 1.231),
        "LoopTrans": (1.399, 0.379, 1.226),
    },
}
"""KLD, SIM, NSS of weakly supervised methods; Selective Contrastive Learning is the one trained here."""


def published_for(data: DataSet, divide: str | None, split: str) -> dict[str, Any] | None:
    """The published rows of a test set, `{"set", "rows": {method: {kld, sim, nss}}}`; None for any other.

    A set is known by its divide and by the action folders of its test split being just its class list.
    """
    if split != "testset" or data.synthetic:
        return None
    found = {item.action for item in data.listed(split)}
    for name, (classes, of_divide) in CLASSES.items():
        if divide == of_divide and found == set(CLASS_LISTS[classes]):
            rows = {
                method: {"kld": kld, "sim": sim, "nss": nss}
                for method, (kld, sim, nss) in PUBLISHED_RESULTS[name].items()
            }
            return {"set": name, "rows": rows}
    return None
