"""Trained models outside of the space: as what they compute, in open formats, on one's own rows.

pipeline     what a model computes, from columns as measured to its scores
kinds        which kinds of task have models that are such a pipeline
adapting     a model fitted to the rows of one place
refitting    the parts of it that are: logits moved and stretched, another last layer
retraining   all layers trained on, freely or held to where they were (Ditto)
normalising  columns centred and scaled as they are at one place
packing      a model as one file of tensors, with its card
protobuf     messages of Protocol Buffers, as far as ONNX needs them
onnx         a model as an ONNX graph

image_pipeline  what a net for images computes, from their bytes to its scores
image_onnx      such a net as an ONNX graph
"""
