"""The words of learning, whatever is learned."""

KIND = "medspace:train"  # the DSP format of every use for learning
