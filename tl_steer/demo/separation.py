"""How well each direction tells reviews apart that it was not computed from."""

import pandas as pd
from sklearn.metrics import roc_auc_score

from tl_steer.activations.activations import Activations
from tl_steer.directions.direction import Directions
from tl_steer.lens.hook_names import layer_of, site_of


def separation(directions: Directions, held_out: Activations) -> pd.DataFrame:
    """Area under the ROC curve of the projections ``h·v`` on held-out texts, by hook point.

    One half is chance, one is perfect separation.

    Returns:
        Columns ``site``, ``layer``, ``auroc``.
    """
    return pd.DataFrame(
        {
            "site": site_of(name),
            "layer": layer_of(name),
            "auroc": roc_auc_score(
                held_out.classes(name).numpy(),
                (held_out[name].flatten(1) @ direction.vector.flatten()).numpy(),
            ),
        }
        for name, direction in directions.items()
    )
