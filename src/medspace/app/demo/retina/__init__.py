"""The pilot of one disease: five hospitals grade diabetic retinopathy together, and a sixth clinic joins later."""
