"""The student, a small pretrained encoder with a token classification head: words to windows of sub-tokens
(`encode`) of the sizes it was trained with (`windows`), the model and its folder (`model`), scores back to tags
(`decode`) and confidences (`confidence`), both for new texts (`predict`), and checkpoints that survive a power cut
(`checkpoint`). Needs torch and transformers; knows nothing of training."""
