"""Write refsnn/verify/vectors/data.tar.xz, which an installed package has of the golden vectors, from the folder beside it.

python data_scripts/pack_vectors.py
"""

from refsnn.files import write_atomically
from refsnn.verify.vectors.archive import ARCHIVE, FOLDER, archive_of

if __name__ == "__main__":
    write_atomically(ARCHIVE, archive_of(FOLDER))
    print(f"{ARCHIVE.name}: {ARCHIVE.stat().st_size:,} bytes")
