"""The papers as the claims cite them."""

XUE = "Xue et al., ICLR 2024, arXiv 2403.11391"
GUI = "Gui, Ma and Zhong, arXiv 2306.03335"
SONG = "Song et al., 2023, arXiv 2307.08913"
GUPTA = "Gupta et al., 2022, arXiv 2212.11491"
