#!/bin/bash
# mcap: a file without chunks, read with reverse=True, comes forwards: the first message is the oldest, not the newest.
#
# Versions: mcap 1.6.0, Python 3.11.
# Expected: iter_messages(reverse=True) "in descending log time order", as it says, for every file; chunks are optional
#   in the format. rosbag2 records without them with --storage-preset-profile fastwrite.
# Happens: for a file without a chunk index SeekingReader.iter_messages calls a NonSeekingReader, and passes on all
#   arguments but reverse. Who takes the first message for the newest (the last transform, the last state) has the
#   oldest. NonSeekingReader itself reads the same file backwards.
# Seen:
#   with chunks: [30, 20, 10]
#   without chunks: [10, 20, 30]
#   without chunks, NonSeekingReader: [30, 20, 10]
# To do: compare the times of the messages; or sort them, if there are few.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install mcap==1.6.0
"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen"
import io

from mcap.reader import NonSeekingReader, make_reader
from mcap.writer import Writer


def written(chunks):
    stream = io.BytesIO()
    writer = Writer(stream, use_chunking=chunks)
    writer.start()
    channel = writer.register_channel("/pose", "json", writer.register_schema("pose", "jsonschema", b"{}"))
    for time in (10, 20, 30):
        writer.add_message(channel, log_time=time, data=b"{}", publish_time=time)
    writer.finish()
    stream.seek(0)
    return stream


def backwards(reader):
    return [message.log_time for _, _, message in reader.iter_messages(reverse=True)]


print("with chunks:", backwards(make_reader(written(chunks=True))))
print("without chunks:", backwards(make_reader(written(chunks=False))))
print("without chunks, NonSeekingReader:", backwards(NonSeekingReader(written(chunks=False))))
PY
grep -qxF "with chunks: [30, 20, 10]" "$folder/seen"
grep -qxF "without chunks: [10, 20, 30]" "$folder/seen"
grep -qxF "without chunks, NonSeekingReader: [30, 20, 10]" "$folder/seen"
