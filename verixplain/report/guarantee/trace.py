"""Which parts of a report support which clauses of standards and law.

Paraphrased from public material; of ISO/IEC 24029-2 only title, scope and contents are public. The
report supports a clause; whether a clause is met is the assessor's judgement.
"""

TRACE = (
    (
        "EASA concept paper, issue 2",
        "LM-12, IMP-09",
        "stability of the trained and of the inference model, over the operational design domain",
        "items and claims; coverage. Only the boxes around the listed inputs are covered, which "
        "is not the whole domain",
    ),
    (
        "EASA concept paper, issue 2",
        "LM-13, IMP-10",
        "robustness of the trained and of the inference model in adverse conditions",
        "claims about the prediction, with witnesses where they are refuted",
    ),
    (
        "EASA concept paper, issue 2",
        "IMP-04, IMP-07",
        "the effect of converting a trained model, and differences between platforms",
        "models: SHA-256, what was left out, largest difference to ONNX Runtime; semantics of "
        "every certified claim (real, or every float32 execution)",
    ),
    (
        "EASA concept paper, issue 2",
        "EXP-03, EXP-17",
        "documented explanation methods, and validity of an explanation",
        "maps with the enclosure of every score, the certified order, and what is not proved",
    ),
    (
        "EASA concept paper, issue 2",
        "CM-01",
        "reproducibility and archiving",
        "reproduction; files with their SHA-256; signature",
    ),
    (
        "ISO/IEC 24029-2:2023",
        "5.2, 5.3",
        "domain and stability",
        "the box of every item, in three units; claims about the prediction",
    ),
    (
        "ISO/IEC 24029-2:2023",
        "5.5",
        "relevance",
        "enclosed importances of groups of inputs; claims about their order",
    ),
    (
        "ISO/IEC 24029-2:2023",
        "6.2.1",
        "kinds of verifier: complete or not, deterministic or not, real or computer arithmetic",
        "assumptions and limits; semantics of every claim; seeds and settings of every item",
    ),
    (
        "EU AI Act",
        "Annex IV, 2(g)",
        "validation and testing procedures, metrics of robustness, dated and signed test reports",
        "counts of every status, coverage with confidence intervals, failures; date; signature",
    ),
    (
        "EU AI Act",
        "Annex IV, 1",
        "versions of software and hardware",
        "reproduction: packages, Python, platform",
    ),
)
"""Source, clause, what it is about, and which parts of the report support it."""
