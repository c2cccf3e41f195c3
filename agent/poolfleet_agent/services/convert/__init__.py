"""Between the API's messages and the model, both ways."""
