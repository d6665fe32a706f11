"""FHIR's published structure, which our resources are held to: `fhir.resources`, and the closed lists of codes.

`fhir.resources` checks names, types, cardinalities and formats, but leaves required codes to its reader.
"""

from typing import Any

from fhir.resources.R4B import get_fhir_model_class
from fhir_core.fhirabstractmodel import FHIRAbstractModel


def checked(resource: dict[str, Any]) -> Any:
    """The resource as its model; raises where it is not as published, or loses something on the way."""
    model = get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    _codes(model)
    said = model.model_dump(exclude_none=True)
    assert said.keys() == resource.keys() - {"resourceType"} | ({"resourceType"} & said.keys())
    return model


def _codes(model: FHIRAbstractModel) -> None:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        allowed = (field.json_schema_extra or {}).get("enum_values")
        open_list = (type(model).__name__, name) == ("CapabilityStatement", "format")  # media types, too
        if allowed and value is not None and not open_list:
            assert set(value if isinstance(value, list) else [value]) <= set(allowed), f"{name} = {value!r}"
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, FHIRAbstractModel):
                _codes(each)
