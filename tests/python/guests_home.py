"""A home in which indices land that are strange to the report's: the examples of the documentation, codes that clash,
weights far apart, and sparse corrections of the report's own rows.

What belongs here: the files that land in it and how it is made. What does not: what is asked.
"""

from __future__ import annotations

from pathlib import Path

from landing_files import OBSERVATIONS
from support import city_index, copy_home

from city_index.settings import PROJECT_DIRECTORY

EXAMPLES = PROJECT_DIRECTORY / "docs" / "examples"

ODD_TREES = """index_code,edition,indicator_code,parent_code,name_zh,name_en,weight
x/y,1,total,,x,X,1
x/y,1,p,total,x,X,1
x/y,1,s,p,x,X,1
x/y,1,c,s,x,X,1
x/y,1,b/c,s,x,X,1
x,y/1,total,,x,"=X, [red]",1
x,y/1,p,total,x,X,1
x,y/1,s,p,x,X,1
x,y/1,heavy,s,x,X,1
x,y/1,light,s,x,X,1e-8
x,y/1,lighter,s,x,X,1.3e-8
"""

FILES = {
    "trees.csv": ODD_TREES,
    "cities.csv": "city_code,name_zh,name_en\na,甲,A\na/b,乙,B\nbeijing,北京,Beijing\nshanghai,沪,Shanghai\n",
    "gdp.csv": "city_code,year,statistic_code,value,unit\nshanghai,2019,gdp,-1e18,100m_cny\na,2019,gdp,1e25,x\n",
    "values.csv": OBSERVATIONS.strip()
    + ",provenance\n"
    + "x/y,1,a/b,c,50,\nx/y,1,a,b/c,50,\n"
    + "x,y/1,a,heavy,10,\nx,y/1,a/b,light,33.3333333,\nx,y/1,a/b,lighter,66.6666667,\n"
    + "medical_digital,2020,shanghai,infra_platform_population_db,1,reconstructed\n",
    "corrected.csv": OBSERVATIONS + "x/y,1,a/b,c,51\nx/y,1,a,b/c,52\n",
    "observed.csv": "\ufeff" + OBSERVATIONS + "medical_digital,2020,beijing,infra_platform_population_db,0\n",
}


def land_guests(published_home: Path, folder: Path) -> Path:
    """Land all of it in a copy of the published home, and publish; gives the published database."""
    home = copy_home(published_home, folder / "home")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    files = [*sorted(EXAMPLES.glob("*/*.csv")), *(folder / name for name in FILES)]
    ingested = city_index("ingest", *map(str, files), home=home)
    assert ingested.returncode == 0, ingested.stderr
    run = city_index("run", home=home)
    assert run.returncode == 0, run.stderr
    return home / "published" / "city_index.duckdb"
