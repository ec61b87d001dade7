# Reads the last stage of the Dockerfile. Sourced by the scripts that assemble and test
# the image.

# Prints the instructions of the last stage, one per line, without comments.
image_instructions() {
    awk '
        /^[[:space:]]*(#|$)/ { next }
        { line = line $0 }
        sub(/\\$/, "", line) { next }
        { if (line ~ /^FROM /) stage = ""; stage = stage line "\n"; line = "" }
        END { printf "%s", stage }' Dockerfile
}

# image_instruction NAME: prints the arguments of the instruction, a line for each use.
image_instruction() {
    image_instructions | sed -n "s/^$1 //p"
}
