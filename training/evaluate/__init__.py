"""How good a model is: `selfmis evaluate`, for run folders and for model folders alike.

command     the arguments
asked       what happens in which order, and what is written
data        a store, or a folder in PTB-XL's layout, opened
models      a run or a model folder as something that scores windows
members     which model is tested on which folds: seeds side by side, folds pooled
scored      probabilities, findings and truth of the tested records
figures     every figure at once, as a function of the records' weights
results     results.json: figures with intervals, differences, robustness
robustness  recorded noise, device rates, lost packets, a swapped lead
polarity    whether a swapped lead is found
varied      the figures under each of them, with the quality gate off and on
matching    retrieval of a record's own twelve-lead embedding
table       results.md
plots       ROC curves, reliability, map of the embeddings
"""
