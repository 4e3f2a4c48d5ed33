"""AI Studio's datasets, batch runs and tunings, which the vendor offers by gRPC only. Begin with `studio.VendorStudio`.

`calls` and `studio` load grpcio and the vendor's stubs (the extra `batch`), so others import them only when they are
used, through `opening.open_vendor`. `values` loads nothing.
"""
