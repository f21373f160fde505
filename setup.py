"""What pyproject.toml cannot say: the shipped models lie elsewhere in the repository than in the package."""

from setuptools import find_packages, setup

MODELS = "DMRIPretrainLib.models"

setup(
    packages=[*find_packages(include=["DMRIPretrainLib*"]), MODELS],
    package_dir={MODELS: "Resources/Models"},
    package_data={MODELS: ["*.json", "*.md", "*.safetensors"]},
)
