import headrace
import streamlit as st

orders = headrace.inputs["orders"]

st.title(f"Orders of the region {headrace.inputs['region']}")
st.dataframe(orders)
limit = st.slider("Largest order to be accepted", 0, 100, 50)
st.write(f"{sum(order['size'] <= limit for order in orders)} of {len(orders)} orders would be accepted.")
if st.button("Send"):
    try:
        headrace.submit({"limit": limit})
        st.success("Thank you. You can close this page.")
    except headrace.SubmitError as error:
        st.error(str(error))
