# cmake -DFOLDER=... -P EmptyFolder.cmake: leaves FOLDER existing and empty.
file(REMOVE_RECURSE ${FOLDER})
file(MAKE_DIRECTORY ${FOLDER})
