"""Three training stages by Lightning. Nothing that plays imports this package."""
