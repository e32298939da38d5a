"""An HTTP service and a page: extras that answer as `demagnify detect` does."""
