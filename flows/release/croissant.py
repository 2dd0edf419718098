"""`croissant.json`: the release in the vocabulary of Croissant 1.1, for search engines and loaders of datasets.

Written by hand in 0.02 s; importing mlcroissant alone would add 0.2 to 0.8 s to every build, and a dozen packages to
every installation. The tests validate it with mlcroissant, and read all rows of every table through it. Specifications:
Croissant 1.1 (http://mlcommons.org/croissant/1.1), its vocabulary for responsible AI
(http://mlcommons.org/croissant/RAI/1.0), and for provenance PROV-O (https://www.w3.org/TR/prov-o/), which Croissant 1.1
recommends.
"""

import json
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from flows.release.citation import bibtex
from flows.release.described import Release
from flows.release.harmless import plain_line
from flows.release.parquet import arrow_schema, table_files
from schemas.tables import TABLES, Table

CROISSANT = "croissant.json"
PARQUET = "application/x-parquet"
CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]

# The context of the specification (appendix 1) as mlcroissant expects it, and PROV-O.
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

# Arrow's name of a type → Croissant's.
DATA_TYPES = {
    "string": "sc:Text",
    "bool": "sc:Boolean",
    "date32[day]": "sc:Date",
    "timestamp[us, tz=UTC]": "sc:DateTime",
    "uint32": "cr:UInt32",
    "uint64": "cr:UInt64",
    "double": "cr:Float64",
}
RESPONSIBLE_AI = files("flows.release") / "templates" / "responsible_ai.yaml"


def croissant(release: Release, hashes: Mapping[Path, str]) -> str:
    """The description of a release whose tables are written, as JSON-LD.

    Addresses of files are relative to it, so that it holds on the disk and on the Hub.

    Args:
        release: the release.
        hashes: its Parquet files, each with its SHA-256.
    """
    counts = release.row_counts
    content: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": plain_line(release.settings.dataset_name),
        "description": f"{counts['articles']:,} news articles from {counts['sources']:,} saved pages, clean, "
        "deduplicated, and traceable to the bytes that they came from."
        + (" Texts whose rights are reserved or unknown are withheld." if release.is_public else ""),
        "conformsTo": CONFORMS_TO,
        "url": release.address,
        "version": release.version,
        "license": release.license_address,
        "sdLicense": f"https://spdx.org/licenses/{release.settings.metadata_license}",
        "creator": {"@type": "sc:Organization", "name": plain_line(release.settings.dataset_creator)},
        "citeAs": bibtex(release),
        "keywords": list(release.keywords),
        "inLanguage": release.languages,
        **({} if release.date is None else {"datePublished": release.date.isoformat()}),
        **yaml.safe_load(RESPONSIBLE_AI.read_text(encoding="utf-8")),
        **provenance(release),
        "distribution": [one for name in release.tables for one in distribution(release.folder, name, hashes)],
        "recordSet": [record_set(release.folder, TABLES[name]) for name in release.tables],
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def provenance(release: Release) -> dict[str, Any]:
    """Where the dataset comes from, in terms of PROV-O."""
    return {
        "prov:wasDerivedFrom": {
            "@type": "prov:Entity",
            "prov:label": f"{release.conservation['read']:,} saved documents; the table sources and manifest.json name "
            "each with its SHA-256",
        },
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": "ingest, normalize, validate, takedown, deduplicate, validate, release",
            "prov:wasAssociatedWith": {"@type": "prov:SoftwareAgent", "prov:label": f"copydesk {version('copydesk')}"},
        },
    }


def distribution(folder: Path, name: str, hashes: Mapping[Path, str]) -> list[dict[str, Any]]:
    """The files of a table, and the set of them where there are several."""
    paths = table_files(folder, name)
    found: list[dict[str, Any]] = [
        {
            "@type": "cr:FileObject",
            "@id": path.relative_to(folder).as_posix(),
            "name": path.relative_to(folder).as_posix(),
            "contentUrl": path.relative_to(folder).as_posix(),
            "contentSize": f"{path.stat().st_size} B",
            "encodingFormat": PARQUET,
            "sha256": hashes[path],
        }
        for path in paths
    ]
    if len(paths) > 1:
        found.append(
            {
                "@type": "cr:FileSet",
                "@id": resource(folder, name)["fileSet"]["@id"],
                "encodingFormat": PARQUET,
                "includes": f"data/{name}/*.parquet",
            }
        )
    return found


def resource(folder: Path, name: str) -> dict[str, Any]:
    """What the fields of a table are read from: its one file, or the set of its files."""
    paths = table_files(folder, name)
    if len(paths) == 1:
        return {"fileObject": {"@id": paths[0].relative_to(folder).as_posix()}}
    return {"fileSet": {"@id": f"{name}-files"}}


def record_set(folder: Path, table: Table) -> dict[str, Any]:
    """A table with its fields, their types, and what they refer to."""
    descriptions = table.columns
    types = arrow_schema(table.empty())
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": (table.model.__doc__ or "").strip().partition("\n")[0],
        "key": [{"@id": f"{table.name}/{column}"} for column in table.key],
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{table.name}/{column}",
                "name": column,
                "description": descriptions[column],
                **data_type(types.field(column).type),
                "source": {**resource(folder, table.name), "extract": {"column": column}},
                **_references(folder, table, column),
            }
            for column in descriptions
        ],
    }


def data_type(dtype: pa.DataType) -> dict[str, Any]:
    """What a field holds."""
    if pa.types.is_list(dtype):
        return {"isArray": True, "arrayShape": "-1", **data_type(dtype.value_type)}
    return {"dataType": DATA_TYPES[str(dtype)]}


def _references(folder: Path, table: Table, column: str) -> dict[str, Any]:
    """The key of another table that a column holds, named as a column of that table's files.

    Naming the field of the other record set instead makes mlcroissant 1.1 read that one's records on the way, which
    fails for whoever reads several record sets of one `mlcroissant.Dataset`.
    """
    target = table.references.get(column)
    if target is None or target == table.name:
        return {}
    return {"references": {**resource(folder, target), "extract": {"column": TABLES[target].key[0]}}}
