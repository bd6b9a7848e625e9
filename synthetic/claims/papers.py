"""The papers as the claims cite them, and their titles by the first word of the claims' modules."""

XUE = "Xue et al., ICLR 2024, arXiv 2403.11391"
GUI = "Gui, Ma and Zhong, arXiv 2306.03335"
SONG = "Song et al., 2023, arXiv 2307.08913"
GUPTA = "Gupta et al., 2022, arXiv 2212.11491"

TITLES = {
    "xue": "Xue et al. (2024): Investigating the Benefits of Projection Head for Representation Learning",
    "gui": "Gui, Ma and Zhong (2023): Unraveling Projection Heads in Contrastive Learning",
    "song": "Song et al. (2023): Towards the Sparseness of Projection Head in Self-Supervised Learning",
    "gupta": "Gupta et al. (2022): Understanding and Improving the Role of Projection Head",
}


def title_of_module(name: str) -> str:
    """Title of the paper that a module of claims is named after.

    Examples
    --------
    >>> title_of_module("synthetic.claims.gui_projector")
    'Gui, Ma and Zhong (2023): Unraveling Projection Heads in Contrastive Learning'
    """
    return TITLES.get(name.rpartition(".")[2].partition("_")[0], "Images")
